"""Reads the address of a PostgreSQL database as people write it; it opens no connection and shows no password."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from modelwright.core.errors.starting import StartError

SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg")
MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
"""As libpq has them; the default is its own, prefer."""
SCHEMA = "modelwright"
"""Our tables have a schema of their own: a database of the user's application may hold a `keys` and an Alembic too."""
PLACE = "store.database"
_EXAMPLE = "write such as postgresql://user:password@host:5432/database?sslmode=verify-full"
_FILES = ("sslrootcert", "sslcert", "sslkey")
_KNOWN = (
    *("host", "port", "user", "password", "dbname", "sslmode", *_FILES, "options", "application_name"),
    *("connect_timeout", "target_session_attrs", "channel_binding", "gssencmode"),
)
_ATTRIBUTES = ("any", "read-write", "primary", "prefer-standby", "read-only", "standby")


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a database is, and how to come in; printed it shows no password."""

    hosts: tuple[tuple[str, int], ...]
    """Asked in this order; a host that begins with a slash is a folder with a Unix socket."""
    user: str | None
    password: str | None = field(repr=False)
    database: str | None
    mode: str = "prefer"
    files: Mapping[str, str] = field(default_factory=dict)
    """sslrootcert, sslcert and sslkey, as far as they are named."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Settings of the session."""
    attributes: str = "any"
    """target_session_attrs."""
    within: float | None = None
    """connect_timeout, in seconds."""

    @property
    def schema(self) -> str:
        """Where our tables are."""
        return self.settings.get("search_path", SCHEMA)

    def __str__(self) -> str:
        """`host:5432/database`."""
        hosts = ",".join(host if host.startswith("/") else f"{host}:{port}" for host, port in self.hosts)
        return f"{hosts}/{self.database}" if self.database else hosts


def has_password(text: str) -> bool:
    """Whether a password stands in it, also where the rest cannot be read."""
    try:
        url = urlsplit(text)
        return url.password is not None or any(name == "password" for name, _ in parse_qsl(url.query))
    except ValueError:
        return "@" in text


def read_address(text: str) -> Address:
    """Raises StartError, whose words hold nothing of the text but names of parameters."""
    try:
        url = urlsplit(text.strip())
        query = dict(parse_qsl(url.query, strict_parsing=True, keep_blank_values=True)) if url.query else {}
    except ValueError:
        raise _refused("cannot be read as an address", _EXAMPLE) from None
    if url.scheme not in SCHEMES:
        raise _refused("is no address of PostgreSQL", _EXAMPLE)
    if url.fragment or "#" in text:
        raise _refused("holds a # that is not encoded", "write %23 for a # in a user's name or password")
    for name in query:
        if name not in _KNOWN:
            raise _refused(f"has a parameter {name!r} that is not known", f"known: {', '.join(_KNOWN)}")
    entry, _, place = url.netloc.rpartition("@")
    user, colon, password = entry.partition(":")
    if "@" in entry:
        raise _refused("holds more than one @", "write %40 for an @ in a user's name or password")
    return Address(
        hosts=_hosts(query.get("host") or place, query.get("port", "")),
        user=unquote(user) or query.get("user"),
        password=unquote(password) if colon else query.get("password"),
        database=unquote(url.path.removeprefix("/")) or query.get("dbname"),
        mode=_word(query, "sslmode", MODES) or "prefer",
        files={name: query[name] for name in _FILES if query.get(name)},
        settings=_settings(query),
        attributes=_word(query, "target_session_attrs", _ATTRIBUTES) or ("read-write" if "," in place else "any"),
        within=_seconds(query.get("connect_timeout", "")),
    )


def _hosts(text: str, ports: str) -> tuple[tuple[str, int], ...]:
    """`a:5432,b`, `[::1]:5432` or a folder; without one this machine's."""
    names = unquote(text).split(",") if text else ["localhost"]
    given = ports.split(",") if ports else []
    found: list[tuple[str, int]] = []
    for index, name in enumerate(names):
        host, port = name, ""
        if not name.startswith("/"):
            head, colon, tail = name.rpartition(":")
            if colon and not tail.endswith("]") and (":" not in head or head.endswith("]")):
                host, port = head, tail
        port = port or (given[min(index, len(given) - 1)] if given else "5432")
        if not port.isdecimal() or not 0 < int(port) < 1 << 16:
            hint = "write a number; a / or @ or : or # in a password is written as %2F, %40, %3A, %23"
            raise _refused("names no port behind its host", hint)
        found.append((host.strip("[]") or "localhost", int(port)))
    return tuple(found)


def _settings(query: Mapping[str, str]) -> dict[str, str]:
    """Of the session: `application_name`, and `-c name=value` in `options`."""
    found = {"application_name": query.get("application_name") or "modelwright"}
    if query.get("channel_binding") == "require":
        hint = "leave it out; sslmode=verify-full sees that nobody stands in between"
        raise _refused("asks for channel_binding=require, which the driver cannot do", hint)
    if query.get("gssencmode", "disable") == "require":
        raise _refused("asks for gssencmode=require, which the driver cannot do", "use TLS: sslmode=verify-full")
    try:
        words = shlex.split(query.get("options", ""))
    except ValueError:
        words = ["-c", "?"]
    for word in words:
        name, equals, value = word.removeprefix("--").removeprefix("-c").strip().partition("=")
        if word in {"-c", ""}:
            continue
        if not equals or not name:
            raise _refused("has options that cannot be read", "write such as options=-csearch_path%3Dmodelwright")
        found[name] = value
    return found


def _word(query: Mapping[str, str], name: str, known: tuple[str, ...]) -> str:
    word = query.get(name, "")
    if word and word not in known:
        raise _refused(f"has an unknown {name}", f"one of {', '.join(known)}")
    return word


def _seconds(text: str) -> float | None:
    if not text:
        return None
    if not text.isdecimal():
        raise _refused("has a connect_timeout that is no number of seconds", "write such as connect_timeout=5")
    return float(text) or None


def _refused(problem: str, remedy: str) -> StartError:
    return StartError(f"the address {problem}", hint=remedy, place=PLACE)
