"""The form of API keys and their peppered digest; it stores nothing and draws no randomness.

A key reads `mw-<id>-<secret>`: the id is public (it stands in logs), the secret is not kept anywhere.
"""

import base64
import hashlib
import hmac

PREFIX = "mw-"


def compose_key(random: bytes) -> tuple[str, str]:
    """Make (id, key) from 29 random bytes: 5 for the id (8 characters), 24 for the secret (192 bits)."""
    if len(random) != 29:
        raise ValueError("a key needs 29 random bytes")
    key_id = base64.b32encode(random[:5]).decode().lower()
    secret = base64.b32encode(random[5:]).decode().lower().rstrip("=")
    return key_id, f"{PREFIX}{key_id}-{secret}"


def key_digest(pepper: bytes, key: str | bytes) -> str:
    """HMAC-SHA256 of the whole key under the pepper, as 64 hex digits; what the store and the snapshot hold."""
    message = key.encode() if isinstance(key, str) else key
    return hmac.digest(pepper, message, hashlib.sha256).hex()


def masked(key: str) -> str:
    """A key as it may be shown: its public part only; nothing at all of a text that has another form."""
    key_id, dash, _ = key.removeprefix(PREFIX).partition("-")
    return f"{PREFIX}{key_id}-***" if key.startswith(PREFIX) and dash and len(key_id) == 8 else "***"
