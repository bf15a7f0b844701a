"""What an endpoint looks for in requests and answers, and what it does about it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from modelwright.app.manifest.sections.section import Duration, Name, Section
from modelwright.guards.detectors.phrases import refused

Action = Literal["off", "flag", "mask", "block"]
PiiKind = Literal["card", "iban", "email", "phone", "cn_id", "secret"]


def _phrase(text: str) -> str:
    problem = refused(text)
    if problem:
        raise ValueError(f"{text!r} {problem}; write a word or a short phrase")
    return text


Phrase = Annotated[str, AfterValidator(_phrase)]


class GuardRuleSection(Section):
    """Words of your own."""

    action: Literal["allow", "flag", "mask", "block"] = Field(
        default="block", description="What is done; allow: what the text holds is no personal data."
    )
    words: tuple[Phrase, ...] = Field(
        default=(), max_length=500, strict=False, description="Words and phrases, in any case."
    )
    shapes: tuple[Phrase, ...] = Field(
        default=(),
        max_length=500,
        strict=False,
        description="Likewise, with # for a digit, ? for a letter or digit, * for up to 16 characters.",
    )


class InputJudgeSection(Section):
    """Somebody else who judges texts: `endpoint`, or `provider` and `model`."""

    endpoint: str = Field(
        default="", description="An endpoint of this file that answers chat: a language model that judges."
    )
    provider: str = Field(default="", description="Name under providers: a classifier on the wire of /v1/moderations.")
    model: str = Field(default="", description="The classifier's own name of its model.")
    action: Literal["flag", "block"] = Field(default="block", description="What becomes of a text that it flags.")
    threshold: float | None = Field(
        default=None,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Score from which on a text is flagged; left out, the judge says so itself.",
    )
    timeout: Duration = Field(default="2s", description="How long it may take.")
    on_error: Literal["block", "allow"] = Field(
        default="block", description="What becomes of a text that it does not judge in time, or not at all."
    )
    concurrency: int = Field(
        default=32, ge=1, le=10_000, description="Texts of this side that a gateway worker has judged at once."
    )


class OutputJudgeSection(InputJudgeSection):
    """Likewise, of answers."""

    piece: int = Field(
        default=400,
        ge=50,
        le=8000,
        description="Characters of a stream that wait and are judged together, with as many before them.",
    )


class GuardInputSection(Section):
    """Requests: messages, tool results, prompts, inputs of embeddings."""

    pii: Action = Field(
        default="off",
        description="Personal data and secrets: flag counts them, mask writes [EMAIL], block answers 400.",
    )
    kinds: tuple[PiiKind, ...] = Field(
        default=(), strict=False, description="Kinds of personal data that are looked for; without any, all."
    )
    injection: Literal["off", "flag", "block"] = Field(
        default="off", description="Attempts to take the model over, in what users and tools say."
    )
    threshold: int = Field(
        default=8, ge=1, le=100, description="Score at which a text counts as an injection; higher finds less."
    )
    rules: dict[Name, GuardRuleSection] = Field(default_factory=dict, description="Words of your own, by name.")
    max_chars: int = Field(default=0, ge=0, le=1 << 30, description="Characters of all texts; 0: any number.")
    judge: InputJudgeSection | None = Field(
        default=None, description="Somebody else who judges what users and tools say; left out, nobody is asked."
    )


class GuardOutputSection(Section):
    """Answers, whole or streamed."""

    pii: Action = Field(
        default="off",
        description="Personal data and secrets: flag counts them, mask writes [EMAIL], block ends the answer.",
    )
    kinds: tuple[PiiKind, ...] = Field(
        default=(), strict=False, description="Kinds of personal data that are looked for; without any, all."
    )
    leak: Literal["off", "flag", "block"] = Field(
        default="off", description="Answers that tell the call's system message, by runs of words that both have."
    )
    rules: dict[Name, GuardRuleSection] = Field(default_factory=dict, description="Words of your own, by name.")
    max_chars: int = Field(default=0, ge=0, le=1 << 30, description="Characters of all texts; 0: any number.")
    judge: OutputJudgeSection | None = Field(
        default=None, description="Somebody else who judges answers; left out, nobody is asked."
    )


class GuardSection(Section):
    """What is looked for in requests and answers."""

    input: GuardInputSection = Field(default_factory=GuardInputSection, description="What is looked for in requests.")
    output: GuardOutputSection = Field(default_factory=GuardOutputSection, description="What is looked for in answers.")
    on_error: Literal["block", "allow"] = Field(
        default="block", description="What becomes of a call whose guard fails: it is refused, or goes on unseen."
    )
