"""What is asked and told about the way of a call: made by control, or from the manifest; shown by the command line."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a call."""

    user: str = ""
    """The body's `user` field."""
    tenant: str = ""
    key: str = ""
    """Public id of the API key; control takes its name, too."""
    headers: Mapping[str, str] = {}
    endpoints: tuple[str, ...] = ()
    """Those that the key may call; empty: all."""


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """One variant and the part of [0, 1) that it answers."""

    variant: str
    provider: str
    model: str
    weight: float
    share: float
    begin: float
    end: float
    prompt: str = ""
    """`name@version` of what goes before the client's messages."""
    off: str = ""
    """Why its provider is off."""


class LimitTold(msgspec.Struct, frozen=True, kw_only=True):
    """One limit that the call must pass."""

    by: str
    """tenant | key | user | address | endpoint."""
    subject: str
    """Whose allowance it takes from; empty when that was not said."""
    limit: str
    """Such as `600 requests per minute`."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The answer; `variant` is empty when it depends on something that was not said, or when nobody answers."""

    endpoint: str
    variant: str
    reason: str
    """One sentence."""
    split_by: str
    told_by: str = "file"
    """gateway: what the running one does. file: what the manifest says, where weights and aliases only start."""
    subject: str = ""
    source: str = ""
    """Where the subject comes from: `header x-user-id`, user, tenant, key."""
    position: float | None = None
    choose: str = "weight"
    """What decides between the variants; shares mean something only with weights."""
    fallback: tuple[str, ...] = ()
    """Variants that are asked in this order when the one that was chosen fails."""
    shares: tuple[Share, ...] = ()
    operations: tuple[str, ...] = ()
    """What may be asked."""
    limits: tuple[LimitTold, ...] = ()
    guard: tuple[str, ...] = ()
    """What is looked for, such as `input pii mask`."""
    cache: tuple[str, ...] = ()
    """How answers are kept."""
    shadow: str = ""
    """The variant that is asked beside the one that answers."""
    retries: int = 0
    """How often a failed request is sent again at most."""
