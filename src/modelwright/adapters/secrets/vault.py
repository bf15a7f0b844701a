"""Secrets of HashiCorp Vault (KV version 2): a token of its own, renewed before it ends; nothing is written there.

NAME is a field of the secret at `path`, name#field a field of the secret at `path/name`. API: Vault's documentation of
the KV secrets engine v2, of token, AppRole and Kubernetes auth, all under `/v1`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import requests
from hvac import Client, exceptions

from modelwright.adapters.secrets.fields import as_text, split_name
from modelwright.core.errors.starting import StartError

SPENT = 2 / 3
"""Of its lease: a token that is older is renewed."""


class Token(NamedTuple):
    """A token that was made elsewhere."""

    token: str


class AppRole(NamedTuple):
    """A role's ids."""

    role_id: str
    secret_id: str
    mount: str


class Kubernetes(NamedTuple):
    """A pod's service account."""

    role: str
    token_file: str
    mount: str


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where in which Vault."""

    address: str
    mount: str
    path: str
    namespace: str = ""
    ca: str = ""
    """PEM file; empty: the public authorities."""
    timeout: float = 5.0


class Vault:
    """One secret and those below it, by one login."""

    def __init__(self, place: Place, way: Token | AppRole | Kubernetes, *, monotonic: Callable[[], float]) -> None:
        self._place = place
        self._way = way
        self._monotonic = monotonic
        self._session = requests.Session()
        self._session.verify = place.ca or True
        self._client: Any = Client(
            url=place.address,
            token=way.token if isinstance(way, Token) else "",
            namespace=place.namespace or None,
            timeout=place.timeout,  # type: ignore[arg-type] - passed on to requests, which takes fractions
            session=self._session,
        )
        self._began = 0.0
        self._lease = 0.0
        """Seconds from `_began`; 0: the token does not end."""
        self._renewable = False
        self._is_in = False

    def read(self, names: Collection[str]) -> Mapping[str, str]:
        with self._explained():
            fresh = self._enter()
            try:
                return self._read(names)
            except exceptions.Forbidden:
                if fresh or isinstance(self._way, Token):
                    raise
            self._log_in()  # somebody revoked our token
            return self._read(names)

    def close(self) -> None:
        """The token we logged in for is of no use to anybody any more."""
        if self._is_in and not isinstance(self._way, Token):
            with suppress(exceptions.VaultError, requests.RequestException):
                self._client.auth.token.revoke_self()
        self._session.close()

    def _read(self, names: Collection[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        held: dict[str, Mapping[str, object]] = {}
        for name in names:
            secret, field = split_name(name)
            path = f"{self._place.path}/{secret}" if field else self._place.path
            if path not in held:
                held[path] = self._secret(path)
            text = as_text(held[path].get(field or secret), name)
            if text is not None:
                found[name] = text
        return found

    def _secret(self, path: str) -> Mapping[str, object]:
        """Its fields; none when there is no such secret, or its last version was deleted."""
        try:
            answer = self._client.secrets.kv.v2.read_secret_version(
                path=path, mount_point=self._place.mount, raise_on_deleted_version=True
            )
        except exceptions.InvalidPath as error:
            if "no handler" in " ".join(error.errors or ()):
                raise StartError(
                    f"Vault has nothing mounted at {self._place.mount}", hint="correct `mount`, or the namespace"
                ) from None
            return {}
        return answer["data"]["data"] or {}

    def _enter(self) -> bool:
        """Have a token with time left; whether it is a new one."""
        if not self._is_in:
            self._log_in()
            return True
        spent = self._monotonic() - self._began
        if not self._lease or spent < self._lease * SPENT:
            return False
        if self._renewable and spent < self._lease:
            left = self._lease - spent
            with suppress(exceptions.Forbidden, exceptions.InvalidRequest):
                self._hold(self._client.auth.token.renew_self()["auth"])
                if self._lease > left:
                    return False
        self._log_in()
        return True

    def _log_in(self) -> None:
        self._is_in = False
        try:
            match self._way:
                case Token():
                    found = self._client.auth.token.lookup_self()["data"]
                    self._hold({"lease_duration": found.get("ttl", 0), "renewable": found.get("renewable", False)})
                case AppRole(role_id, secret_id, mount):
                    self._client.token = ""
                    answer = self._client.auth.approle.login(role_id, secret_id or None, mount_point=mount)
                    self._hold(answer["auth"])
                case Kubernetes(role, token_file, mount):
                    self._client.token = ""
                    jwt = _service_account(token_file)
                    self._hold(self._client.auth.kubernetes.login(role, jwt, mount_point=mount)["auth"])
        except (exceptions.InvalidRequest, exceptions.Forbidden, exceptions.Unauthorized):
            raise _refused(self._way) from None
        except exceptions.InvalidPath:
            hint = "see where the method is mounted, and the namespace"
            raise StartError("Vault has no such way in", hint=hint) from None
        self._is_in = True

    def _hold(self, auth: Mapping[str, Any]) -> None:
        self._began = self._monotonic()
        self._lease = float(auth.get("lease_duration") or 0)
        self._renewable = bool(auth.get("renewable"))

    @contextmanager
    def _explained(self) -> Any:
        """Vault's refusals and the network's in our words; neither a token nor a value is in any."""
        address, where = self._place.address, f"{self._place.mount}/data/{self._place.path}"
        try:
            yield
        except exceptions.Forbidden:
            hint = f"give its policy `read` on {where}, and on {where}/* for names with #"
            raise StartError(f"Vault does not let us read {where}", hint=hint) from None
        except exceptions.VaultDown:
            raise StartError("Vault is sealed or in maintenance", hint="unseal it: vault operator unseal") from None
        except exceptions.VaultNotInitialized:
            raise StartError("Vault is not initialised", hint="initialise it: vault operator init") from None
        except exceptions.RateLimitExceeded:
            raise StartError("Vault says that it is asked too often", hint="raise `refresh`, or its quota") from None
        except exceptions.VaultError as error:
            raise StartError(f"Vault answered with {type(error).__name__}", hint="see its audit log") from None
        except requests.exceptions.SSLError:
            hint = "name its authority's PEM file in `ca`, and the host as its certificate does"
            raise StartError(f"the certificate of {address} is not trusted", hint=hint) from None
        except requests.exceptions.Timeout:
            hint = "see whether it is overloaded, or raise `timeout`"
            raise StartError(f"{address} did not answer within {self._place.timeout:g} s", hint=hint) from None
        except requests.exceptions.ConnectionError:
            raise StartError(f"{address} cannot be reached", hint="see whether it runs, and `address`") from None
        except requests.exceptions.RequestException as error:
            problem = f"{address} gave no answer that can be read: {type(error).__name__}"
            raise StartError(problem, hint="see whether Vault itself answers there") from None
        except (KeyError, TypeError, AttributeError):
            hint = "see whether Vault itself answers there, and whether `mount` is KV version 2"
            raise StartError(f"{address} does not answer as Vault does", hint=hint) from None
        except OSError:
            raise StartError(
                f"{self._place.ca} cannot be used", hint="name a PEM file of authorities in `ca`"
            ) from None


def _refused(way: Token | AppRole | Kubernetes) -> StartError:
    match way:
        case Token():
            return StartError("Vault does not take the token", hint="make a new one: vault token create")
        case AppRole():
            hint = "see role_id, and make a new secret_id: it may have ended or been used up"
            return StartError("Vault does not take the role id and secret id", hint=hint)
        case Kubernetes(role):
            return StartError(f"Vault does not let the service account in as {role}", hint="see the role's bindings")


def _service_account(token_file: str) -> str:
    try:
        return Path(token_file).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        hint = "run in a pod with a service account, or name its token's file in `token_file`"
        raise StartError(f"{token_file} cannot be read", hint=hint) from None
