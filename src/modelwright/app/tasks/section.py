"""The manifest's section `tasks`: calls that are left here to be made later."""

from __future__ import annotations

from pydantic import Field

from modelwright.app.manifest.secret import Secret
from modelwright.app.manifest.sections.section import Duration, Network, Section, Size


class WebhookSection(Section):
    """Whom the ends of tasks are told to: every task may name an address."""

    secrets: tuple[Secret, ...] = Field(
        default=(),
        strict=False,
        description="What is signed with, as ${secret:NAME} that holds whsec_ and base64; two while one is exchanged, "
        "none: nobody is told.",
    )
    attempts: int = Field(default=10, ge=1, le=100, description="How often an end is told, until somebody hears it.")
    timeout: Duration = Field(default="10s", description="How long whoever is told may take.")
    allow: tuple[Network, ...] = Field(
        default=(),
        strict=False,
        description="Networks that are not public and may be told all the same, also without TLS, such as 10.0.0.0/8.",
    )


class TasksSection(Section):
    """Calls that are left here to be made later."""

    concurrency: int = Field(default=8, ge=1, le=1000, description="Tasks that run at once.")
    queue: int = Field(
        default=1000, ge=1, le=1_000_000, description="Tasks of one tenant that wait or run; one more is answered 429."
    )
    max_body: Size = Field(default="1MiB", description="Largest task that is taken.")
    max_answer: Size = Field(default="8MiB", description="Largest answer that is kept; a task with a larger one fails.")
    deadline: Duration = Field(default="24h", description="How long a task may wait and run in all.")
    keep: Duration = Field(default="7d", description="How long a task and its answer are kept after its end.")
    webhook: WebhookSection = Field(default_factory=WebhookSection, description="How the ends of tasks are told.")
