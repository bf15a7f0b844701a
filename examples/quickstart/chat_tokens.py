"""The tokenizer and the chat format of the example chat model; it trains no weights."""

import itertools

from chat_text import Source, Turn
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

BEGIN, END, SYSTEM, USER, ASSISTANT = SPECIALS = ("<|begin|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
VOCABULARY = 1280
PRE = "qwen2"  # the pre-tokenizer's name in the GGUF: its pattern (from Qwen2's tokenizer.json) takes digits one by one
QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEMPLATE = (
    "{{- bos_token -}}\n"
    "{%- for message in messages -%}\n"
    "  {%- if message['role'] not in ('system', 'user', 'assistant') -%}\n"
    "    {{- raise_exception('this model knows the roles system, user and assistant, not ' ~ message['role']) -}}\n"
    "  {%- endif -%}\n"
    "  {%- if message['content'] is string -%}\n"
    "    {%- set text = message['content'] -%}\n"
    "  {%- else -%}\n"
    "    {%- set text = message['content'] | map(attribute='text') | join('') -%}\n"
    "  {%- endif -%}\n"
    "  {{- '<|' ~ message['role'] ~ '|>' ~ text | trim ~ '<|end|>' -}}\n"
    "{%- endfor -%}\n"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}\n"
)


def train_tokenizer(seed: int) -> Tokenizer:
    """A byte-level BPE tokenizer over text of the same kind as the training text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in SPECIALS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    source = Source(seed)
    turns = (source.turn() for _ in range(30000))
    tokenizer.train_from_iterator(itertools.chain.from_iterable((t.question, t.answer) for t in turns), trainer)
    return tokenizer


class ChatFormat:
    """Turns conversations into ids: what TEMPLATE writes, token by token."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.begin, self.end, self.system, self.user, self.assistant = map(tokenizer.token_to_id, SPECIALS)
        self._known: dict[str, list[int]] = {}

    def prompt(self, turn: Turn) -> list[int]:
        """The ids up to where the answer begins, for a conversation of one turn."""
        return [self.begin, self.user, *self._ids(turn.question), self.end, self.assistant]

    def answer(self, turn: Turn) -> list[int]:
        """The ids of the answer with its end."""
        return [*self._ids(turn.answer), self.end]

    def conversation(self, system: str | None, turns: list[Turn]) -> tuple[list[int], list[bool]]:
        """The ids of a whole conversation, and which of them are answers (and so are learnt)."""
        ids = [self.begin] if system is None else [self.begin, self.system, *self._ids(system), self.end]
        learnt = [False] * len(ids)
        for turn in turns:
            asked, answered = self.prompt(turn)[1:], self.answer(turn)
            ids += asked + answered
            learnt += [False] * len(asked) + [True] * len(answered)
        return ids, learnt

    def _ids(self, text: str) -> list[int]:
        if text not in self._known:
            if len(self._known) > 200_000:
                self._known.clear()
            self._known[text] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return self._known[text]
