"""The rules of injection in English: words by class, and ways of saying it, each with its weight; rows of data."""
# ruff: noqa: E501

from __future__ import annotations

from modelwright.guards.injection.forms import Language

_PRIOR = "previous|prior|above|earlier|preceding|existing|original|initial|foregoing|former|past|current"

_CLASSES = {
    "ai": "ai|llm|language model|chatbot|assistant|gpt|claude|bot|agent|model|ais|llms|language models|chatbots|assistants|bots|agents|models",
    "always": "answer any|answer every|never say|never tell me",
    "become": "you are|you're|act as|acting as|pretend|roleplay as|role play as|become|simulate|behave like|imagine you are",
    "begin": "begin|end|start",
    "cancelled": "void|canceled|cancelled|revoked|obsolete|deprecated|null|superseded|lifted|suspended|no longer",
    "concealing": "do not|don't|never|without",
    "det": "all|any|every|each|of|the|your|my|our|these|those|its",
    "drop": "ignore|disregard|forget|override|bypass|neglect|discard|drop|skip|dismiss|overwrite|erase|abandon|violate",
    "enter": "enable|enter|activate|switch to|you are in|you are now in",
    "fiction": "my grandma|my grandmother|my grandpa|my late grandma|my late grandmother|my late grandpa|my dead grandma|my dead grandmother|my dead grandpa|my deceased grandma|my deceased grandmother|my deceased grandpa|purely fictional|purely hypothetical|hypothetically speaking|for a novel|for my novel",
    "follow": "follow|following|obey|obeying|comply with|complying with|adhere to|adhering to",
    "forget": "ignore|disregard|forget",
    "goods": "conversation|history|messages|data|password|passwords|credential|credentials|secret|secrets|api key|api keys|keys|token|tokens|contacts|files|inbox|emails|prompt|database|records|cookies|environment variables",
    "harm": "delete|drop table|rm rf|wipe|exfiltrate|transfer|without asking|without confirm|without confirmation|without confirming|without telling|without permission|silently|secretly",
    "henceforth": "from now on|starting now|henceforth|from this point",
    "here": "above|before|before this|before that|up to this|up to here|prior to|preceding",
    "human": "user|users|human|humans|owner|owners|anyone|operator|operators",
    "if_you": "if you are an|if you are a",
    "invoke": "call|invoke|use|execute|run|trigger",
    "jailbreak": "do anything now|jail broke|jail broken|d.a.n.|stan mode|dan mode|god mode|evil mode|sudo mode|unrestricted mode|opposite mode|aim mode",
    "limits": "restriction|restrictions|limits|limitation|limitations|filter|filters|filtering|guardrail|guardrails|censorship|boundaries|guideline|guidelines|rules|safeguards|constraint|constraints|ethics",
    "new": "new|updated|revised|real|actual|replacement",
    "note": "attention|note|message|instruction|instructions|important|notice",
    "not_follow": "do not|don't|stop|no longer|never|cease to|you need not",
    "of_before": f"{_PRIOR}|system|old|your",
    "orders": "instruction|instructions|direction|directions|directive|directives|prompt|prompts|rule|rules|guideline|guidelines|guidance|command|commands|order|orders|constraint|constraints|restriction|restrictions|policies|programming|context|training|message|messages|text|configuration",
    "own": "system|hidden|initial|original|secret|internal|developer|confidential|preceding|base|starting|first",
    "power": "developer mode|debug mode|admin mode|maintenance mode",
    "prior": _PRIOR,
    "prompt": "prompt|prompts|instruction|instructions|message|messages|directive|directives|configuration|rules|guideline|guidelines|command|commands",
    "prompt_news": "instruction|instructions|prompt|directive|directives|rules",
    "repeat": "repeat|print|output|return|echo|write|copy|paste|recite|reproduce|translate",
    "send": "send|forward|post|upload|exfiltrate|transmit|leak|email|e mail|submit|append|deliver",
    "show": "reveal|show|print|output|repeat|display|tell|give|disclose|leak|expose|share|write|write out|write down|recite|dump|provide|quote|return|echo|spell out|copy|paste|state|list|describe|summarise|summarize|translate|encode",
    "starting": "starting|beginning|start|begin",
    "supersede": "supersede|supersedes|replace|replaces|override|overrides|cancel|cancels|void|voids",
    "system": "system|admin|developer|new",
    "taught": "told|said|learned|instructed|given|taught|above|before|written|read",
    "tool": "tool|tools|function|functions|command|commands|shell|shells|terminal|terminals|plugin|plugins|api|apis|code interpreter|code interpreters",
    "unfailing": "stay in character|never break character|never refuse|cannot refuse|can't refuse|must not refuse|do not refuse|don't refuse|always comply|comply with any|comply with every|comply with all|no disclaimer|no disclaimers",
    "unrestricted": "unrestricted|unfiltered|uncensored|unethical|amoral|evil|jailbroken|rogue|malicious|lawless|dan|unaligned|rule free|limitless",
    "what": "what is|what are|what was|what were|what does|what do|what's|how is|how are",
    "without": "without|with no|free of|free from|has no|have no|had no|no longer has|no longer have|no longer bound by|lack|lacks|not bound by|unbound by|ignore all|ignores all|freed from|remove all|removed all",
    "you_will": "you will|you are|you must|you shall|you only",
}

_ROWS = (
    # The instructions before are to count no more.
    ("override", 10, r"<drop>(?: (?:about|everything in))?(?: {det}){0,3} (?:{prior}|system|developer|safety)(?: (?:and|or|system|safety|developer|given|set of|{prior})){0,3} <orders>\b"),
    ("override", 10, r"<drop>(?: (?:all|any|of)){0,2} (?:your|the) (?:\w{1,12} ){0,2}<orders>\b(?= (?:and|you|that|above|before|from|given)|[.!])"),
    ("override", 10, r"<forget> (?:everything|anything|all|what)(?: that)?(?: (?:you|was|i|we|is|has|have|had|been|were|just|already)){0,4} <taught>\b"),
    ("override", 8, r"<not_follow>(?: have to| need to)? <follow>(?: {det}){0,3}(?: (?:{prior}|system))? <orders>\b"),
    ("override", 8, r"<new> (?:system )?<prompt_news>(?: (?:follow|are|is|begin|below|from|supersede|replace|override)\b|:)"),
    ("override", 8, r"<supersede>(?: {det}){0,3} (?:{prior}|other|system) <orders>\b"),
    ("override", 10, r"<of_before> <orders> (?:is|are|were|was|have been|has been) (?:now )?<cancelled>\b"),
    ("override", 8, r"<henceforth>(?: on| onwards?)? <you_will>(?: now| going)?(?: to)?(?: only)? (?:obey|follow|answer|respond|act|ignore|be|an?|comply|do|serve|speak)\b"),
    ("marker", 6, r"<begin> (?:of )?<system> (?:prompt|message|instructions?|override)\b"),
    # Another person without rules.
    ("persona", 10, r"<jailbreak>"),
    ("persona", 10, r"<enter> <power>\b"),
    ("persona", 8, r"<without>(?: (?:any|all|your|its|the|of|more|these)){0,2}(?: (?:moral|ethical|safety|content|usual|typical|openai|legal)(?: (?:or|and) (?:moral|ethical|legal|safety))?)? <limits>\b"),
    ("persona", 8, r"<become>(?: to be| you are| that you are| you're)?(?: now| going to be)?(?: (?:an?|the|my|called|named))? (?:\w{1,14} ){0,3}?<unrestricted>\b"),
    ("persona", 4, r"<unfailing>\b"),
    ("persona", 4, r"<always>(?: (?:question|request) (?:without|no matter)|(?: that)? you (?:can['’]t|cannot|can not))\b"),
    ("persona", 3, r"<fiction>\b"),
    # What it was told in secret.
    ("extraction", 10, r"<show>(?: (?:me|us|to me|out|back|verbatim|exactly|here|now|in full)){0,2}(?: {det}){0,3} (?:(?:full|entire|exact|complete|whole|verbatim|own|very|{own}) ){0,3}<own> <prompt>\b"),
    ("extraction", 8, r"<what> (?:your|the) (?:(?:full|exact|entire|complete|verbatim) )?(?:{own} ){0,1}<own> <prompt>\b"),
    ("extraction", 10, r"<repeat>(?: (?:back|out|to me|me|verbatim|exactly|all|of)){0,6} (?:everything|all|the (?:text|words?|content|contents?|conversation|sentences?|lines?)|what(?:ever)?)(?: (?:that )?(?:is|was|were|written|comes?|came|you see|of|the|text|words)){0,3} <here>\b"),
    ("extraction", 6, r"<starting> (?:with|from|at) (?:the words? |the phrase )?[\"'“]?you are\b"),
    # Tools and data that it could reach.
    ("tools", 10, r"<send>(?: (?:all|any|every|the|your|this|their|me|of|user'?s?|whole|entire|full|chat|system|conversation|api|customer|stored|private|secret|session)){0,5} <goods> (?:\w{1,12} ){0,3}?(?:to|at|via|into) (?:\w{1,12} ){0,2}?(?:https?|[\w.+]{1,40}@|attacker|external|my server|this (?:url|address|webhook|endpoint)|evil)"),
    ("tools", 10, r"<invoke>(?: (?:the|your|any|all|a)){0,2} (?:\w{1,20} )?<tool> (?:\w{1,12} ){0,6}?<harm>"),
    ("tools", 10, r"<concealing>(?: (?:tell|telling|inform|informing|mention|mentioning|reveal|notify|notifying|alert|alerting|show|let))(?: (?:this|it|anything|that|to|about|the)){0,3} (?:the )?<human>\b"),
    ("tools", 8, r"<note> (?:to|for|:)(?: (?:all|any|the|every))? ?<ai>\b"),
    ("tools", 8, r"<if_you> <ai>\b"),
)  # fmt: skip

ENGLISH = Language(
    classes={name: tuple(words.split("|")) for name, words in _CLASSES.items()},
    rows=_ROWS,
    blank=r"[\s,.:;_*-]{1,3}",
    edge=r"\b",
    in_pieces=False,
)
