"""What references of the manifest mean on a target: addresses, passwords and keys that it makes up, secrets of ours."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from modelwright.app.deploying.sections.services import ServiceSection
from modelwright.app.deploying.services import KINDS
from modelwright.app.manifest.secret import Secret
from modelwright.app.settings.references import NAME, Reference, fill
from modelwright.core.deploying.made import api_key, password

GATEWAY, PORT, ADMIN_PORT, GRPC_PORT = "gateway", 8000, 8001, 8081
"""What the gateway is called on a target, and where its doors are."""
BY_NAME = MappingProxyType({"url": f"http://{GATEWAY}:{PORT}", "host": GATEWAY, "port": str(PORT)})
"""What programs that know it by its name may refer to."""
USER, DATABASE = "app", "app"
"""Of the programs, in a PostgreSQL of ours."""
_PLAIN = frozenset({"host", "port", "user", "database"})
"""What of a service is no secret."""
_WITH_PASSWORD = frozenset({"postgres", "redis"})
"""Services whose address has one in it."""


class Values:
    """Of one environment."""

    def __init__(
        self,
        salt: str,
        *,
        services: Mapping[str, ServiceSection],
        secret: Callable[[str], str],
        gateway: Mapping[str, str] = BY_NAME,
    ) -> None:
        """`secret` knows those of ours by the names in references."""
        self._gateway = gateway
        self._salt = salt
        self._services = services
        self._secret = secret

    def fill(self, value: Secret) -> str:
        """The text, with all that it refers to."""
        return fill(value.reveal(), self._look_up)

    def is_secret(self, value: Secret) -> bool:
        """Whether anything in it may not be shown."""
        return any(_is_secret(reference, self._services) for reference in value.references)

    def key(self, name: str) -> str:
        """An API key of the environment's gateway."""
        return api_key(self._salt, name)

    def password(self, of: str) -> str:
        """Of something that the environment runs itself."""
        return password(self._salt, of)

    def service(self, name: str, part: str) -> str:
        """What of a service somebody refers to."""
        section = self._services[name]
        if section.url is not None:
            return self.fill(section.url)
        row = KINDS[name]
        parts = {"host": name, "port": str(row.port), "user": USER, "database": DATABASE}
        if part in parts:
            return parts[part]
        if part == "password":
            return self.password(name)
        who = {"postgres": f"{USER}:{self.password(name)}@", "redis": f":{self.password(name)}@"}.get(name, "")
        path = {"postgres": f"/{DATABASE}", "redis": "/0"}.get(name, "")
        return f"{row.scheme}://{who}{name}:{row.port}{path}"

    def _look_up(self, reference: Reference) -> str:
        match reference.kind:
            case "service":
                return self.service(*reference.name.split(".", 1))
            case "gateway":
                return self._gateway[reference.name]
            case "key":
                return self.key(reference.name)
            case _:
                return self._secret(reference.name)


def secret_name(reference: str) -> str:
    """The file that holds a secret on a target: its own name; of one in a store another that can be a file's."""
    if NAME.fullmatch(reference):
        return reference
    words = re.sub(r"[^A-Za-z0-9]+", "_", reference).strip("_")
    return f"{words}_{hashlib.sha256(reference.encode()).hexdigest()[:8]}"


def _is_secret(reference: Reference, services: Mapping[str, ServiceSection]) -> bool:
    if reference.kind == "gateway":
        return False
    if reference.kind != "service":
        return True
    name, _, part = reference.name.partition(".")
    section = services[name]
    if section.url is not None:
        return bool(section.url.references)
    return part not in _PLAIN and (part == "password" or name in _WITH_PASSWORD)
