"""Certificates by ACME (RFC 8555), proved over HTTP: certbot's library speaks to the authority; it blocks."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import requests
from acme import challenges, client, crypto_util, errors, messages
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from josepy.errors import Error as JoseError
from josepy.jwk import JWKRSA

from modelwright.core.errors.deploying import CertificateRefused

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
_PATIENCE = dt.timedelta(seconds=120)
"""Within which an authority has to have looked at the proofs."""
_FAULTS = (errors.Error, messages.Error, requests.RequestException, JoseError, ValueError)


class Order:
    """A certificate that was asked for: first its proofs are to be seen, then it can be had."""

    def __init__(self, host: str, *, directory: str, mail: str, account: bytes, trusting: Path | None = None) -> None:
        """`account` is a key in PEM. Raises CertificateRefused."""
        self._host = host
        try:
            self._client, self._key = _client(directory or LETS_ENCRYPT, mail, account, trusting=trusting)
            self._own = ec.generate_private_key(ec.SECP256R1())
            self._order = self._client.new_order(crypto_util.make_csr(_pem(self._own), domains=[host]))
            authorizations: Any = self._order.authorizations
            # What was proved lately is believed without being asked for again.
            self._asked = [_by_http(one) for one in authorizations if one.body.status != messages.STATUS_VALID]
        except _FAULTS as error:
            raise self._refused(error) from error

    @property
    def proofs(self) -> dict[str, str]:
        """By the name that is asked for: what is to be seen there over plain HTTP."""
        return {one.chall.path.rpartition("/")[2]: one.chall.validation(self._key) for one in self._asked}

    def finish(self) -> bytes:
        """Its chain and its key, in PEM. Raises CertificateRefused."""
        try:
            for one in self._asked:
                self._client.answer_challenge(one, one.chall.response(self._key))
            deadline = dt.datetime.now() + _PATIENCE  # noqa: DTZ005 - as the library compares it
            done = self._client.poll_and_finalize(self._order, deadline)
        except _FAULTS as error:
            raise self._refused(error) from error
        return done.fullchain_pem.encode() + _pem(self._own)

    def _refused(self, error: Exception) -> CertificateRefused:
        said = "; ".join(str(error).split("\n")) or type(error).__name__
        hint = "the authority has to reach the host over plain HTTP, at port 80"
        return CertificateRefused(f"no certificate for {self._host}: {said}", hint=hint)


def new_account() -> bytes:
    """A key for one, in PEM."""
    return _pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))


def ends(certificate: bytes) -> float:
    """Unix seconds until which it holds; 0 when it is none."""
    try:
        return x509.load_pem_x509_certificate(certificate).not_valid_after_utc.timestamp()
    except ValueError:
        return 0.0


def _client(directory: str, mail: str, account: bytes, *, trusting: Path | None) -> tuple[client.ClientV2, Any]:
    key = JWKRSA(key=serialization.load_pem_private_key(account, password=None))
    net = client.ClientNetwork(key, user_agent="modelwright")
    if trusting is not None:
        setattr(net, "verify_ssl", str(trusting))  # noqa: B010 - typed as a flag, and handed on to what takes a path
    known = client.ClientV2(client.ClientV2.get_directory(directory, net), net)
    asked = messages.NewRegistration.from_data(email=mail or None, terms_of_service_agreed=True)
    try:
        known.new_account(asked)
    except errors.ConflictError as there:
        net.account = messages.RegistrationResource(uri=there.location, body=messages.Registration())
    return known, key


def _by_http(authorization: Any) -> messages.ChallengeBody:
    for one in authorization.body.challenges:
        if isinstance(one.chall, challenges.HTTP01):
            return one
    raise ValueError("the authority does not look over HTTP")


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    coding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(coding, form, serialization.NoEncryption())
