"""Contract: what somebody thought of an answer, version 1; it names the call, and the newest word of a kind counts."""

from __future__ import annotations

import msgspec

FEEDBACK_VERSION = 1


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the spool. A call has at most one of each name from its tenant; from other tenants it has none."""

    feedback: int = FEEDBACK_VERSION
    """Version of this contract; it stands first in a line and so tells it from a ledger row."""
    call: str
    """Of the answer, as in its `x-modelwright-call`."""
    tenant: str
    """Whose key was used to say it."""
    key: str = ""
    """Public id of that key."""
    name: str = "user"
    """Which kind of judgement: a user's thumb, a reviewer's mark, a check of the application."""
    score: float
    """From 0, useless, to 1, right."""
    comment: str = ""
    at: float
    """Unix seconds."""
