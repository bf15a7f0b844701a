"""Signatures of webhooks as Standard Webhooks has them; it sends nothing."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

PREFIX = "whsec_"
LEAST, MOST = 24, 64
"""Bytes of a secret."""


def read_secret(text: str) -> bytes:
    """The key of `whsec_` and base64; raises ValueError, which does not tell the secret."""
    encoded = text.strip().removeprefix(PREFIX)
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not text.strip().startswith(PREFIX) or not LEAST <= len(key) <= MOST:
        raise ValueError(f"a webhook's secret is {PREFIX} and {LEAST} to {MOST} bytes in base64")
    return key


def signatures(keys: Sequence[bytes], *, message: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`: `v1,…` of each key, with blanks between."""
    signed = f"{message}.{timestamp}.".encode() + body
    made = (hmac.digest(key, signed, hashlib.sha256) for key in keys)
    return " ".join(f"v1,{base64.b64encode(each).decode()}" for each in made)
