"""Contract: the event catalogue, version 1; what rooms say about themselves, for `observe` to tell and count.

Events are facts in the past tense. They never hold content, a key or a secret.
"""

from __future__ import annotations

import msgspec

from modelwright.core.contracts.ledger import LedgerRow

EVENTS_VERSION = 1


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event"):
    """Base of all: `at` is Unix seconds."""

    at: float


class RequestFinished(Event, frozen=True, kw_only=True, tag="request_finished"):
    """A door has answered an HTTP request; `call` is set when it was a call that passed authentication."""

    method: str
    path: str
    """The route's template, such as `/v2/models/{model}/infer`: bounded, so that it may label a metric."""
    status: int
    duration_ms: float
    client: str
    """Client address without its port; empty on a Unix socket."""
    request_id: str = ""
    error: str = ""
    call: LedgerRow | None = None


class AttemptFailed(Event, frozen=True, kw_only=True, tag="attempt_failed"):
    """An upstream request failed before the answer had begun, and another one is made for the same call."""

    attempt: LedgerRow


class BreakerChanged(Event, frozen=True, kw_only=True, tag="breaker_changed"):
    """A worker leaves a provider alone from now on, tries it, or sends it everything again."""

    provider: str
    address: str
    """Base URL; a provider has one breaker per address."""
    state: str
    """open | half_open | closed."""


class SnapshotApplied(Event, frozen=True, kw_only=True, tag="snapshot_applied"):
    """A gateway worker answers by this snapshot from now on."""

    serial: int
    endpoints: int
    keys: int


class SnapshotRefused(Event, frozen=True, kw_only=True, tag="snapshot_refused"):
    """A snapshot could not be taken; the one before stays."""

    problem: str


class PartChanged(Event, frozen=True, kw_only=True, tag="part_changed"):
    """The supervisor saw a part go to another state."""

    part: str
    state: str
    """starting | ready | draining | stopped | died | waiting | broken."""
    pid: int = 0
    detail: str = ""


class ModelLoaded(Event, frozen=True, kw_only=True, tag="model_loaded"):
    """A serving worker has loaded and warmed a model."""

    model: str
    engine: str
    digest: str
    load_ms: float
    warmup_ms: float


class ModelTuned(Event, frozen=True, kw_only=True, tag="model_tuned"):
    """A serving worker knows with how many threads and rows its model is fastest here."""

    model: str
    chosen: str
    trials: tuple[str, ...] = ()
    """What was tried, each with its rate."""


class BatchFailed(Event, frozen=True, kw_only=True, tag="batch_failed"):
    """An engine failed on a batch; it is split and tried again, so that the good rows are answered."""

    model: str
    rows: int
    error: str


class KeyChanged(Event, frozen=True, kw_only=True, tag="key_changed"):
    """A key was created, rotated or revoked; `key` is its public id."""

    key: str
    tenant: str
    action: str
    """created | rotated | revoked."""


class KeptChecked(Event, frozen=True, kw_only=True, tag="kept_checked"):
    """A question that a similar one's answer was kept for was asked all the same, and both answers compared."""

    endpoint: str
    agreed: bool
    raised: bool
    """Too many did not agree: the threshold is higher from now on."""
    threshold: float
    """The one in force; 1 means that nothing is similar enough."""


class TaskChanged(Event, frozen=True, kw_only=True, tag="task_changed"):
    """A task was left, begun, put off or ended."""

    task: str
    tenant: str
    key: str
    """Id of the caller whose it is."""
    endpoint: str
    status: str
    attempts: int
    call: str = ""
    """Id of its newest call."""
    error: str = ""
    """Why it ended without success."""


class WebhookSent(Event, frozen=True, kw_only=True, tag="webhook_sent"):
    """Somebody was told of a task's end, or could not be."""

    task: str
    tenant: str
    attempt: int
    result: str
    """delivered | pending (it is tried again) | failed (it is given up)."""
    problem: str = ""


CATALOGUE: tuple[type[Event], ...] = (
    RequestFinished,
    AttemptFailed,
    BreakerChanged,
    SnapshotApplied,
    SnapshotRefused,
    PartChanged,
    ModelLoaded,
    ModelTuned,
    BatchFailed,
    KeptChecked,
    KeyChanged,
    TaskChanged,
    WebhookSent,
)
