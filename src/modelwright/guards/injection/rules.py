"""The rules of injection: ways of saying it, in English and Chinese, each with its weight; rows of data, no code."""
# ruff: noqa: E501

from __future__ import annotations

import re

import msgspec


class Rule(msgspec.Struct, frozen=True):
    """One way of saying it."""

    name: str
    weight: int
    form: re.Pattern[str]
    words: tuple[frozenset[str], ...] = ()
    """One word of each of these must be there, or the form need not be tried."""
    signs: tuple[str, ...] = ()
    """One of these must be there."""


def _rule(name: str, weight: int, form: str, *, words: str = "", signs: str = "") -> Rule:
    every = tuple(frozenset(group.split()) for group in words.split("/")) if words else ()
    return Rule(name, weight, re.compile(form.replace(" ", r"[\s,.:;_*-]{1,3}")), every, tuple(signs.split()))


def _chinese(name: str, weight: int, form: str, *, signs: str) -> Rule:
    return Rule(name, weight, re.compile(form), (), tuple(signs.split()))


_ALL = r"(?:all |any |every |each )?(?:of )?(?:the |your |my |our |these |those |its )?"
_PRIOR = r"(?:previous|prior|above|earlier|preceding|existing|original|initial|foregoing|former|past|current)"
_ORDERS = (
    r"(?:instructions?|directions?|directives?|prompts?|rules?|guidelines?|guidance|commands?|orders?|constraints?"
    r"|restrictions?|policies|programming|context|training|messages?|text|configuration)"
)
_DROP = r"(?:ignore|disregard|forget|override|bypass|neglect|discard|drop|skip|dismiss|overwrite|erase|abandon|violate)"
_OWN = r"(?:system|hidden|initial|original|secret|internal|developer|confidential|preceding|base|starting|first)"

RULES: tuple[Rule, ...] = (
    # The instructions before are to count no more.
    _rule("override", 10, rf"\b{_DROP}(?: (?:about|everything in))? {_ALL}(?:{_PRIOR}|system|developer|safety)"
          rf"(?: (?:and|or|system|safety|developer|given|set of|{_PRIOR})){{0,3}} {_ORDERS}\b", words="ignore disregard forget override bypass neglect discard drop skip dismiss overwrite erase abandon violate/instruction instructions direction directions directive directives prompt prompts rule rules guideline guidelines guidance command commands order orders constraint constraints restriction restrictions policies programming context training message messages text configuration"),
    _rule("override", 10, rf"\b{_DROP} (?:all |any )?(?:of )?(?:your|the) (?:\w{{1,12}} ){{0,2}}{_ORDERS}\b"
          r"(?= (?:and|you|that|above|before|from|given)|[.!])", words="ignore disregard forget override bypass neglect discard drop skip dismiss overwrite erase abandon violate/instruction instructions direction directions directive directives prompt prompts rule rules guideline guidelines guidance command commands order orders constraint constraints restriction restrictions policies programming context training message messages text configuration"),
    _rule("override", 10, r"\b(?:ignore|disregard|forget) (?:everything|anything|all|what)(?: that)?(?: (?:you|was|i|we|is"
          r"|has|have|had|been|were|just|already)){0,4} (?:told|said|learned|instructed|given|taught|above|before|written|read)\b", words="ignore disregard forget"),
    _rule("override", 8, r"\b(?:do not|don't|stop|no longer|never|cease to|you need not)(?: have to| need to)? "
          rf"(?:follow(?:ing)?|obey(?:ing)?|comply(?:ing)? with|adher(?:e|ing) to) {_ALL}(?:{_PRIOR} |system )?{_ORDERS}\b", words="follow following obey obeying comply complying adhere adhering/instruction instructions direction directions directive directives prompt prompts rule rules guideline guidelines guidance command commands order orders constraint constraints restriction restrictions policies programming context training message messages text configuration"),
    _rule("override", 8, r"\b(?:new|updated|revised|real|actual|replacement) (?:system )?(?:instructions?|prompt|directives?|rules)(?: "
          r"(?:follow|are|is|begin|below|from|supersede|replace|override)\b|:)", words="instruction instructions prompt directive directives rules/new updated revised real actual replacement"),
    _rule("override", 8, rf"\b(?:supersedes?|replaces?|overrides?|cancels?|voids?) {_ALL}(?:{_PRIOR}|other|system) {_ORDERS}\b", words="supersede supersedes replace replaces override overrides cancel cancels void voids/instruction instructions direction directions directive directives prompt prompts rule rules guideline guidelines guidance command commands order orders constraint constraints restriction restrictions policies programming context training message messages text configuration"),
    _rule("override", 10, rf"\b(?:{_PRIOR}|system|above|old|your) {_ORDERS} (?:is|are|were|was|have been|has been) "
          r"(?:now )?(?:void|cancell?ed|revoked|obsolete|deprecated|null|superseded|lifted|suspended|no longer)\b", words="void canceled cancelled revoked obsolete deprecated null superseded lifted suspended longer/instruction instructions direction directions directive directives prompt prompts rule rules guideline guidelines guidance command commands order orders constraint constraints restriction restrictions policies programming context training message messages text configuration"),
    _rule("override", 8, r"\b(?:from now on|starting now|henceforth|from this point)(?: on| onwards?)? you (?:will|are|must|shall|only)(?: now| going)?(?: to)?(?: only)? (?:obey|follow|answer|respond|act|ignore|be|an?|comply|do|serve|speak)\b", words="now henceforth point/from starting henceforth/will are must shall only"),
    _rule("marker", 10, r"(?:<\|(?:im_start|system|endoftext|start_header_id)\|?>|\[/?inst\]|<</?sys>>|\[system\]\(#"
          r"|###? ?(?:new )?(?:system|instruction)s?(?: prompt| message)? ?:|</?system>|<system[- ]override>)", signs="< [ #"),
    _rule("marker", 6, r"\b(?:begin|end|start) (?:of )?(?:system|admin|developer|new) (?:prompt|message|instructions?|override)\b", words="begin end start/system admin developer new"),
    # Another person without rules.
    _rule("persona", 10, r"\b(?:do anything now|jail ?broken?|d\.a\.n\.|stan mode|dan mode|god mode|evil mode"
          r"|sudo mode|unrestricted mode|(?:enable|enter|activate|switch to|you are(?: now)? in) (?:developer|debug|admin|maintenance) mode|opposite mode|aim mode)\b", words="anything jailbroken jailbreak jail broken mode"),
    _rule("persona", 8, r"\b(?:without|with no|free (?:of|from)|has no|have no|had no|no longer (?:has|have|bound by)|lacks?|not bound by"
          r"|unbound by|ignores? all|freed from|removed? all)(?: any| all| your| its| the| of| more| these){0,2}"
          r"(?: (?:moral|ethical|safety|content|usual|typical|openai|legal)(?: (?:or|and) (?:moral|ethical|legal|safety))?)? "
          r"(?:restrictions?|limits|limitations?|filters?|filtering|guardrails?|censorship|boundaries|guidelines?|rules|safeguards|constraints?|ethics)\b", words="restrictions limits limitation limitations filter filters filtering guardrail guardrails censorship boundaries guideline guidelines rules safeguards constraint constraints ethics/without no free has have lack lacks not unbound ignores ignore freed remove removed longer"),
    _rule("persona", 8, r"\b(?:you are|you're|act as|acting as|pretend(?: to be| you are| that you are| you're)|roleplay as|role play as|become|simulate|behave like|imagine you are)"
          r"(?: now| going to be)?(?: an?| the| my| called| named)? (?:\w{1,14} ){0,3}?(?:unrestricted|unfiltered|uncensored|unethical|amoral|evil|jailbroken|rogue|malicious|lawless|dan|unaligned|rule free|limitless)\b", words="unrestricted unfiltered uncensored unethical amoral evil jailbroken rogue malicious lawless dan unaligned free limitless"),
    _rule("persona", 4, r"\b(?:stay in character|never break character|never refuse|cannot refuse|can't refuse|must not refuse|do not refuse|don't refuse|always comply|comply with (?:any|every|all)"
          r"|answer (?:any|every) (?:question|request) (?:without|no matter)|no disclaimers?|never (?:say|tell me)(?: that)? you (?:can't|cannot|can not))\b", words="refuse comply character disclaimer disclaimers answer never"),
    _rule("persona", 3, r"\b(?:my (?:late |dead |deceased )?grand(?:ma|mother|pa)|purely (?:fictional|hypothetical)|hypothetically speaking|for (?:a|my) novel)\b", words="grandma grandmother grandpa fictional hypothetical hypothetically novel"),
    # What it was told in secret.
    _rule("extraction", 10, rf"\b(?:reveal|show|print|output|repeat|display|tell|give|disclose|leak|expose|share|write(?: out| down)?|recite|dump|provide|quote|return|echo|spell out|copy|paste|state|list|describe|summari[sz]e|translate|encode)"
          rf"(?: (?:me|us|to me|out|back|verbatim|exactly|here|now|in full)){{0,2}} {_ALL}(?:(?:full|entire|exact|complete|whole|verbatim|own|very|{_OWN}) ){{0,3}}(?:{_OWN} )(?:prompts?|instructions?|messages?|directives?|configuration|rules|guidelines?|commands?)\b", words="prompt prompts instruction instructions message messages directive directives configuration rules guideline guidelines command commands/system hidden initial original secret internal confidential developer preceding base starting first"),
    _rule("extraction", 8, rf"\b(?:what (?:is|are|was|were|does|do)|what's|how (?:is|are)) (?:your|the) (?:(?:full|exact|entire|complete|verbatim) )?(?:(?:{_OWN}|hidden) ){{1,2}}(?:prompts?|instructions?|messages?|directives?|rules)\b", words="prompt prompts instruction instructions message messages directive directives configuration rules guideline guidelines command commands/system hidden initial original secret internal confidential developer preceding base starting first/what what's how"),
    _rule("extraction", 10, r"\b(?:repeat|print|output|return|echo|write|copy|paste|recite|reproduce|translate)(?: (?:back|out|to me|me|verbatim|exactly|all|of))*"
          r" (?:everything|all|the (?:text|words?|content|contents?|conversation|sentences?|lines?)|what(?:ever)?)(?: (?:that )?(?:is|was|were|written|comes?|came|you see|of|the|text|words)){0,3} (?:above|before(?: this| that)?|up to (?:this|here)|prior to|preceding)\b", words="repeat print output return echo write copy paste recite reproduce translate/above before here this preceding"),
    _rule("extraction", 6, r"\b(?:starting|beginning|start|begin) (?:with|from|at) (?:the words? |the phrase )?[\"'“]?you are\b", words="starting beginning start begin/you"),
    # Tools and data that it could reach.
    _rule("tools", 10, r"\b(?:send|forward|post|upload|exfiltrate|transmit|leak|e-?mail|submit|append|deliver)(?: (?:all|any|every|the|your|this|their|me|of|user'?s?|whole|entire|full|chat|system|conversation|api|customer|stored|private|secret|session)){0,5} "
          r"(?:conversation|history|messages|data|passwords?|credentials?|secrets?|api keys?|keys|tokens?|contacts|files|inbox|emails|prompt|database|records|cookies|environment variables) (?:\w{1,12} ){0,3}?(?:to|at|via|into) (?:\w{1,12} ){0,2}?(?:https?|[\w.+]{1,40}@|attacker|external|my server|this (?:url|address|webhook|endpoint)|evil)", words="send forward post upload exfiltrate transmit leak email mail submit append deliver/to at via into"),
    _rule("tools", 10, r"\b(?:call|invoke|use|execute|run|trigger)(?: (?:the|your|any|all|a)){0,2} (?:\w{1,20} )?(?:tool|function|command|shell|terminal|plugin|api|code interpreter)s? (?:\w{1,12} ){0,6}?(?:delete|drop table|rm rf|rm -rf|wipe|exfiltrate|transfer|without (?:asking|confirm\w*|telling|permission)|silently|secretly)", words="call invoke use execute run trigger/delete drop rm wipe exfiltrate transfer without silently secretly"),
    _rule("tools", 10, r"!\[[^\]\n]{0,40}\]\(https?://[^)\s]{1,80}[?&][\w%]{1,20}=(?:\{|\[|<|%7b|\$|data|secret|prompt|history|conversation)", signs="!["),
    _rule("tools", 10, r"\b(?:do not|don't|never|without)(?: (?:tell|telling|inform|informing|mention|mentioning|reveal|notify|notifying|alert|alerting|show|let))(?: (?:this|it|anything|that|to|about|the)){0,3} (?:the )?(?:user|human|owner|anyone|operator)s?\b", words="user users human humans owner owners anyone operator operators/not don't never without"),
    _rule("tools", 8, r"\b(?:(?:attention|note|message|instructions?|important|notice) (?:to|for|:)(?: (?:all|any|the|every))? ?(?:ai|llm|language model|chatbot|assistant|gpt|claude|bot|agent|model)s?\b|\bif you are an? (?:ai|llm|language model|assistant|chatbot|agent)\b)", words="ai llm language chatbot assistant gpt claude bot agent model ais llms chatbots assistants bots agents models/attention note message instruction instructions important notice if"),
    # 中文
    _chinese("override", 10, r"(?:忽略|无视|忘记|忘掉|忘了|不要(?:再)?(?:理会|遵守|遵循|管)|别(?:再)?(?:理会|遵守|遵循|管)|抛开|抛弃|丢弃|跳过|推翻|绕过|摒弃|放弃|覆盖|停止(?:遵守|遵循|执行)|不(?:再|用|必)(?:遵守|遵循|理会))[^。！？\n]{0,12}(?:之前|以前|先前|此前|前面|上面|上述|以上|上文|原有|原来|原先|所有|一切|全部|系统|既有|已有|最初|初始|你的|开发者|安全)[^。！？\n]{0,10}(?:指令|指示|提示词?|规则|要求|命令|设定|设置|约束|限制|说明|内容|对话|准则|守则|规定|政策)", signs="指令 指示 提示 规则 要求 命令 设定 设置 约束 限制 说明 内容 对话 准则 守则 规定 政策"),
    _chinese("override", 8, r"(?:之前|先前|前面|上面|上述|以上|原有|原来|系统)的?(?:所有|全部|一切)?的?(?:指令|指示|提示词?|规则|要求|命令|设定|约束|限制)[^。！？\n]{0,6}(?:作废|失效|无效|不算数|取消|都是假的|解除|不再适用)", signs="作废 失效 无效 不算数 取消 都是假的 解除 不再适用"),
    _chinese("override", 8, r"(?:从现在(?:开始|起)|现在起|接下来|即刻起)[^。！？\n]{0,6}你(?:只能|必须|将|就是|是|要|不再)[^。！？\n]{0,30}(?:限制|规则|听从|服从|命令|角色|扮演|无条件|拒绝|指令)", signs="现在 接下来 即刻起"),
    _chinese("override", 8, r"(?:新的?|最新的?|真正的)(?:系统)?(?:指令|提示词|命令|规则)(?:如下|是|为|：|:|取代|优先)", signs="新的 最新 真正的 新指令 新命令 新规则"),
    _chinese("persona", 8, r"(?:没有|不受|无|摆脱|解除|去除|不再有|突破|脱离|不存在)(?:了)?(?:任何|一切|所有|你的|这些)?(?:道德|伦理|法律|安全|内容|审查|规则|平台)?(?:和|与|或|、)?(?:道德|伦理|法律|安全|内容|审查)?(?:的)?(?:限制|约束|束缚|过滤|审查|底线|规则|枷锁|准则)[^。！？\n]{0,12}(?:的?(?:ai|人工智能|助手|机器人|模型|角色|黑客|模式)|，?你?(?:可以|能|必须|要|会|不)|$)", signs="限制 约束 束缚 过滤 审查 底线 规则 枷锁 准则"),
    _chinese("persona", 8, r"(?:越狱|上帝|(?:进入|激活|切换到|启用|开启)开发者|无限制|无限|邪恶|不受限|调试|超级用户|管理员|dan|解放)(?:版|的)?模式|(?:扮演|假装(?:你)?(?:是|成)?|充当|模拟|化身|变成|成为|你(?:现在)?(?:是|就是|叫))[^。！？\n]{0,10}(?:不受(?:限制|约束|审查)|没有(?:限制|底线|道德|约束)|无限制|邪恶|无道德|无视规则|dan\b|越狱)", signs="模式 扮演 假装 充当 模拟 化身 变成 成为 现在 就是"),
    _chinese("persona", 4, r"(?:不(?:能|要|得|许|可以?|准)|绝不|永远不|禁止)(?:拒绝(?:回答|我|任何)?|说(?:\"|“)?(?:不能|无法|抱歉|不可以))|无条件(?:服从|执行|回答|满足)|有求必应", signs="拒绝 不能 无条件 有求必应 不可以 无法"),
    _chinese("extraction", 10, r"(?:告诉|透露|泄露|输出|打印|显示|展示|重复|复述|说出|给出|公开|提供|写出|列出|发给|背诵|翻译|总结|原样|完整|逐字|贴出|交出|把|将|给我看)[^。！？\n]{0,14}(?:系统|初始|内部|隐藏|原始|开发者|最初|后台|保密|预设|底层)(?:的)?(?:提示词?|指令|设定|提示语|消息|prompt|指示|规则|设置|配置)", signs="提示 指令 设定 消息 prompt 指示 规则 设置 配置"),
    _chinese("extraction", 8, r"(?:你|您)的?(?:系统|初始|内部|隐藏|原始|最初|预设)的?(?:提示词?|指令|设定|prompt|规则|指示)(?:是|有|都|里|写|内容|到底|究竟)[^。！？\n]{0,8}(?:什么|哪些|啥|多少|怎么)", signs="提示 指令 设定 prompt 规则 指示"),
    _chinese("extraction", 10, r"(?:重复|复述|输出|打印|翻译|显示|抄写|原样|逐字|一字不[漏差])[^。！？\n]{0,10}(?:以上|上面|上文|之前|前面|上述)(?:的)?(?:所有|全部|一切|整段|每一个)?(?:的)?(?:内容|文字|文本|对话|话|字|消息|信息)", signs="以上 上面 上文 之前 前面 上述"),
    _chinese("tools", 10, r"(?:把|将)[^。！？\n]{0,16}(?:聊天记录|对话|历史记录|密码|密钥|通讯录|凭证|令牌|数据库|环境变量|(?:用户|客户|所有|全部)的?(?:数据|文件|邮件|记录|信息))[^。！？\n]{0,10}(?:发送|发|上传|转发|提交|传|泄露|寄|导出)(?:到|给|至)", signs="记录 对话 历史 密码 密钥 数据 文件 邮件 通讯录 凭证 令牌 环境变量"),
    _chinese("tools", 10, r"(?:不要|别|无需|不必|千万别|禁止|切勿|不用)(?:让|告诉|通知|告知|提醒|向|被)(?:任何)?(?:用户|主人|人类|操作员|管理员|其他人)", signs="用户 主人 人类 操作员 管理员 其他人"),
    _chinese("tools", 10, r"(?:调用|使用|执行|运行|触发)[^。！？\n]{0,12}(?:工具|函数|命令|接口|插件|脚本|终端)[^。！？\n]{0,14}(?:删除|清空|转账|格式化|下载并|偷偷|悄悄|无需确认|不要确认|跳过确认)", signs="工具 函数 命令 接口 插件 脚本 终端"),
    _chinese("tools", 8, r"(?:给|致|所有|任何|阅读本文的|读到这里的|处理本(?:文|页)的)[^。！？\n]{0,8}(?:ai|人工智能|大模型|语言模型|智能助手|机器人)[^。！？\n]{0,6}(?:的指令|的指示|注意|请(?:执行|忽略|务必|立即)|：|:)|如果你是(?:一个|一名)?(?:ai|人工智能|语言模型|大模型|助手|机器人)", signs="ai 人工智能 模型 助手 机器人"),
)  # fmt: skip
