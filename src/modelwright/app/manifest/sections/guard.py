"""What an endpoint looks for in requests and answers, and what it does about it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from modelwright.app.manifest.sections.section import Name, Section
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


class GuardSection(Section):
    """What is looked for in requests and answers."""

    input: GuardInputSection = Field(default_factory=GuardInputSection, description="What is looked for in requests.")
    output: GuardOutputSection = Field(default_factory=GuardOutputSection, description="What is looked for in answers.")
    on_error: Literal["block", "allow"] = Field(
        default="block", description="What becomes of a call whose guard fails: it is refused, or goes on unseen."
    )
