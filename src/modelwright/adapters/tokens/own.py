"""Tokens that we sign ourselves, by a secret that nobody else has (HS256); who may have one is not its business."""

from __future__ import annotations

import hashlib
import hmac

from joserfc import jwt
from joserfc.jwk import OctKey

from modelwright.adapters.tokens.jose import UNREADABLE
from modelwright.core.errors.calls import Unauthenticated

_ALGORITHM = "HS256"
_ANEW = "ask POST /oauth/token for a new one"


class OwnTokens:
    """Signs and reads tokens of one purpose; a token of another purpose is none of ours."""

    def __init__(self, pepper: bytes, *, purpose: str) -> None:
        derived = hmac.digest(pepper, f"tokens for {purpose}".encode(), hashlib.sha256)
        self._key = OctKey.import_key(derived)
        self._purpose = purpose

    def sign(self, subject: str, *, expires: float) -> str:
        """A token for somebody until a Unix time, in whole seconds."""
        claims = {"iss": "modelwright", "aud": self._purpose, "sub": subject, "exp": int(expires)}
        return jwt.encode({"alg": _ALGORITHM, "typ": "JWT"}, claims, self._key, algorithms=[_ALGORITHM])

    def is_ours(self, token: bytes) -> bool:
        """Whether we have signed it, whatever it says."""
        try:
            jwt.decode(token, self._key, algorithms=[_ALGORITHM])
        except UNREADABLE:
            return False
        return True

    def subject(self, token: bytes, *, now: float) -> str:
        """Whose token it is; raises Unauthenticated."""
        try:
            claims = jwt.decode(token, self._key, algorithms=[_ALGORITHM]).claims
        except UNREADABLE:
            raise Unauthenticated("the token was not made here", hint=_ANEW) from None
        if claims.get("aud") != self._purpose or not isinstance(claims.get("exp"), int) or claims["exp"] <= now:
            raise Unauthenticated("the token has expired", hint=_ANEW)
        return str(claims["sub"])
