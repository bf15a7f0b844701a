"""Secrets of AWS Secrets Manager: one call per secret; name#field is a field of one that is a JSON map.

Requests are signed by AWS's own library, which also finds credentials where AWS's tools do, unless a key is given.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import boto3
import msgspec
from botocore import exceptions
from botocore.config import Config

from modelwright.adapters.secrets.fields import pick, split_name
from modelwright.core.errors.starting import StartError

_ABSENT = "ResourceNotFoundException"
_CREDENTIALS = {
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "ExpiredTokenException",
    "IncompleteSignature",
    "MissingAuthenticationToken",
}
_BUSY = {"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"}


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """An access key."""

    id: str
    secret: str
    session: str = ""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where secrets are."""

    region: str
    prefix: str = ""
    endpoint: str = ""
    """Empty: the region's own."""
    ca: str = ""
    """PEM file; empty: the public authorities."""
    timeout: float = 5.0


class SecretsManager:
    """The secrets of one region whose names begin with the prefix."""

    def __init__(self, place: Place, key: Key | None) -> None:
        """Without a key, credentials are found as AWS's own tools do."""
        self._place = place
        self._key = key
        self._client: Any = None

    def read(self, names: Collection[str]) -> Mapping[str, str]:
        found: dict[str, str] = {}
        held: dict[str, str | None] = {}
        for name in names:
            secret = split_name(name)[0]
            if secret not in held:
                with self._explained(secret):
                    held[secret] = self._secret(secret)
            text = held[secret]
            value = pick(text, name) if text is not None else None
            if value is not None:
                found[name] = value
        return found

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = None

    def _secret(self, name: str) -> str | None:
        """The text of its current version; None when there is no such secret."""
        try:
            answer = self._connected().get_secret_value(SecretId=f"{self._place.prefix}{name}")
        except exceptions.ClientError as error:
            if _code(error) == _ABSENT:
                return None
            raise
        if "SecretString" not in answer:
            raise StartError(f"{self._place.prefix}{name} is no text", hint="store it as a string, not as bytes")
        return answer["SecretString"]

    def _connected(self) -> Any:
        if self._client is None:
            place, key = self._place, self._key
            session = boto3.Session(
                region_name=place.region,
                aws_access_key_id=key.id if key else None,
                aws_secret_access_key=key.secret if key else None,
                aws_session_token=key.session or None if key else None,
            )
            self._client = session.client(
                "secretsmanager",
                endpoint_url=place.endpoint or None,
                verify=place.ca or None,
                config=Config(
                    connect_timeout=place.timeout, read_timeout=place.timeout, retries={"total_max_attempts": 1}
                ),
            )
        return self._client

    @contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        """AWS's refusals and the network's in our words; neither a credential nor a value is in any."""
        secret, where = f"{self._place.prefix}{name}", self._place.endpoint or f"AWS in {self._place.region}"
        try:
            yield
        except exceptions.ClientError as error:
            raise _refused(_code(error), secret) from None
        except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError):
            hint = "give this machine a role, or write `key: {id: …, secret: …}`"
            raise StartError("AWS credentials are not found", hint=hint) from None
        except exceptions.SSLError:
            hint = "name its authority's PEM file in `ca`, and the host as its certificate does"
            raise StartError(f"the certificate of {where} is not trusted", hint=hint) from None
        except (exceptions.ConnectTimeoutError, exceptions.ReadTimeoutError):
            problem = f"{where} did not answer within {self._place.timeout:g} s"
            raise StartError(problem, hint="see whether it is overloaded, or raise `timeout`") from None
        except (exceptions.EndpointConnectionError, exceptions.HTTPClientError):
            raise StartError(f"{where} cannot be reached", hint="see `region`, `endpoint` and the network") from None
        except exceptions.BotoCoreError as error:
            raise StartError(f"{where}: {type(error).__name__}", hint="see `region` and `key`") from None
        except OSError:
            raise StartError(
                f"{self._place.ca} cannot be used", hint="name a PEM file of authorities in `ca`"
            ) from None


def _code(error: exceptions.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _refused(code: str, secret: str) -> StartError:
    if code in {"AccessDeniedException", "AccessDenied"}:
        return StartError(
            f"AWS does not let us read {secret}",
            hint=f"allow secretsmanager:GetSecretValue on {secret}-* (and its KMS key)",
        )
    if code in _CREDENTIALS:
        return StartError("AWS does not take the credentials", hint="see `key`, and this machine's clock")
    if code in _BUSY:
        return StartError("AWS says that it is asked too often", hint="raise `refresh`")
    if code == "DecryptionFailure":
        return StartError(f"AWS cannot decrypt {secret}", hint="allow kms:Decrypt on its key")
    return StartError(f"AWS did not give {secret}: {code or 'an answer without a code'}", hint="see AWS CloudTrail")
