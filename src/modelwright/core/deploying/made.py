"""What an environment makes up for itself, from the salt that its target keeps: passwords, keys, digests of secrets.

Whoever has the salt has them all, so it is shown to nobody; to keep it is to keep them.
"""

from __future__ import annotations

import hashlib
import hmac

from modelwright.core.keys import compose_key

_KEY = 29
"""Random bytes of an API key."""


def password(salt: str, of: str) -> str:
    """64 hex digits that are the same whenever they are asked for, and tell nothing of another one."""
    return _made(salt, f"password of {of}").hex()


def api_key(salt: str, name: str) -> str:
    """An API key of the environment's own gateway."""
    return compose_key(_made(salt, f"key {name}")[:_KEY])[1]


def secret_digest(salt: str, content: bytes) -> str:
    """Names a secret without telling it: a short one cannot be tried by its digest either."""
    return "sha256:" + hmac.digest(salt.encode(), b"content\0" + content, hashlib.sha256).hex()


def content_digest(content: bytes) -> str:
    """Of what is no secret."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _made(salt: str, what: str) -> bytes:
    if not salt:
        raise ValueError("without a salt everybody could make it")
    return hmac.digest(salt.encode(), b"made\0" + what.encode(), hashlib.sha256)
