"""What an endpoint looks for in requests and answers, and what it does about it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from modelwright.app.manifest.sections.section import Section

Action = Literal["off", "flag", "mask", "block"]
PiiKind = Literal["card", "iban", "email", "phone", "cn_id", "secret"]


class GuardInputSection(Section):
    """Requests: messages, tool results, prompts, inputs of embeddings."""

    pii: Action = Field(
        default="off",
        description="Personal data and secrets: flag counts them, mask writes [EMAIL], block answers 400.",
    )
    kinds: tuple[PiiKind, ...] = Field(
        default=(), strict=False, description="Kinds of personal data that are looked for; without any, all."
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


class GuardSection(Section):
    """What is looked for in requests and answers."""

    input: GuardInputSection = Field(default_factory=GuardInputSection, description="What is looked for in requests.")
    output: GuardOutputSection = Field(default_factory=GuardOutputSection, description="What is looked for in answers.")
    on_error: Literal["block", "allow"] = Field(
        default="block", description="What becomes of a call whose guard fails: it is refused, or goes on unseen."
    )
