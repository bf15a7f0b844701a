"""The Keyring port by joserfc: asymmetric signatures of compact tokens (RFC 7515); keys come from outside only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from modelwright.core.contracts.snapshot import Issuer
from modelwright.core.errors.calls import Unauthenticated
from modelwright.core.ports.tokens import SigningKeyMissing

ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
)  # fmt: skip
"""None that a public key could be mistaken for a secret in, and never `none`."""
RSA_BYTES = 256
"""The least length of a modulus, 2048 bits."""
MOST_HEADER = 8192
"""Bytes: a header may carry a chain of certificates, which nobody looks at."""

UNREADABLE = (JoseError, ValueError, TypeError, AttributeError, RecursionError)
"""What joserfc raises for a token or key that somebody has made up: it trusts the shape of a header."""

_KINDS: dict[str, type[RSAKey | ECKey | OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
_PublicKey: TypeAlias = RSAKey | ECKey | OKPKey


class JoseKeyring:
    """The keys of one issuer."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self._keys = tuple(usable_keys(issuer.keys))
        self._algorithms = [name for name in issuer.algorithms or ALGORITHMS if name in ALGORITHMS]
        self._registry = _Registry(algorithms=self._algorithms, strict_check_header=False)

    def payload(self, token: bytes) -> bytes:
        """What was signed. Raises Unauthenticated and SigningKeyMissing."""
        try:
            signed = jws.extract_compact(token, None, self._registry)
            algorithm = self._algorithm(signed.headers().get("alg"))
            for key in self._fitting(signed.headers().get("kid"), algorithm):
                if jws.validate_compact(signed, key, self._algorithms, self._registry):
                    return signed.payload
        except UNREADABLE as error:
            raise Unauthenticated(f"the token cannot be read: {type(error).__name__}", hint=_ANEW) from None
        if signed.headers().get("kid") is None:
            raise SigningKeyMissing(self._issuer)  # which key it was cannot be told, so it may be a newer one
        raise Unauthenticated("the token's signature is wrong", hint=_ANEW)

    def _algorithm(self, named: object) -> str:
        if not isinstance(named, str) or named not in self._algorithms:
            raise Unauthenticated("the token's algorithm is not allowed", hint=f"one of {', '.join(self._algorithms)}")
        return named

    def _fitting(self, kid: object, algorithm: str) -> list[_PublicKey]:
        """The keys that may have signed it; raises SigningKeyMissing when there is none."""
        found = [
            key
            for key in self._keys
            if (kid is None or key.kid == kid) and key.alg in {None, algorithm} and _fits(key, algorithm)
        ]
        if not found:
            raise SigningKeyMissing(self._issuer)
        return found


class _Registry(jws.JWSRegistry):
    """Without joserfc's warning that `EdDSA` has a newer name: issuers use it, and nobody here can change that."""

    max_header_length = MOST_HEADER

    def get_alg(self, name: str) -> Any:
        if name not in (self.allowed or ()):
            raise UnsupportedAlgorithmError(name)
        return self.algorithms[name]


def _fits(key: _PublicKey, algorithm: str) -> bool:
    """Of the right kind and curve."""
    try:
        jws.JWSRegistry.algorithms[algorithm].check_key(key)
    except UNREADABLE:
        return False
    return True


def usable_keys(keys: Iterable[Mapping[str, str]]) -> Iterable[_PublicKey]:
    """Public keys for signatures; the others are left out: secret ones, for encryption, too short, not to be read."""
    for parameters in keys:
        kind = _KINDS.get(parameters.get("kty", ""))
        if kind is None or "d" in parameters or parameters.get("use", "sig") != "sig":
            continue
        if kind is RSAKey and len(parameters.get("n", "").rstrip("=")) * 3 // 4 < RSA_BYTES:
            continue
        try:
            yield kind.import_key(dict(parameters))
        except UNREADABLE:
            continue


_ANEW = "ask the issuer for a new token"
