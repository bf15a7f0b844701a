"""Whether a request is signed as AWS wants it (Signature Version 4, after AWS's documentation), computed anew."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"


def is_signed(
    method: str, target: str, headers: Any, body: bytes, *, keys: tuple[str, str], place: tuple[str, str]
) -> bool:
    """As the request arrived; `keys` are the public and the secret one, `place` is region and service."""
    algorithm, _, rest = headers.get("Authorization", "").partition(" ")
    if algorithm != ALGORITHM:
        return False
    fields = dict(part.strip().split("=", 1) for part in rest.split(","))
    key_id, _, scope = fields["Credential"].partition("/")
    date, region, service, _ = scope.split("/")
    names = fields["SignedHeaders"].split(";")
    content = headers.get("x-amz-content-sha256") or hashlib.sha256(body).hexdigest()
    if content not in {"UNSIGNED-PAYLOAD", hashlib.sha256(body).hexdigest()}:
        return False
    request = _canonical(method, target, headers, names=names, content=content)
    signed = f"{algorithm}\n{headers['X-Amz-Date']}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{keys[1]}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    wanted = hmac.digest(key, signed.encode(), "sha256").hex()
    is_here = (key_id, region, service) == (keys[0], *place)
    return is_here and "host" in names and hmac.compare_digest(wanted, fields["Signature"])


def _canonical(method: str, target: str, headers: Any, *, names: list[str], content: str) -> str:
    parts = urlsplit(target)
    asked = sorted(parse_qsl(parts.query, keep_blank_values=True))
    query = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in asked)
    lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in names)
    return f"{method}\n{parts.path}\n{query}\n{lines}\n{';'.join(names)}\n{content}"
