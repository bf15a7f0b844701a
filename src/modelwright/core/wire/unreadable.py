"""What decoders raise for bytes that are no JSON of the wanted shape: one name for all wires."""

from __future__ import annotations

import msgspec

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
