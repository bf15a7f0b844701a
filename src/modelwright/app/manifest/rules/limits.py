"""What must be true of limits, that whoever counts sees every call; and of the addresses of what hosts share."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from modelwright.adapters.stores.postgres_address import has_password, read_address
from modelwright.app.document.finding import Finding
from modelwright.app.manifest.rules.case import Case, Rules, unknown_name
from modelwright.app.manifest.rules.operations import served_alone
from modelwright.core.addresses import redis_remedy
from modelwright.core.errors.starting import StartError


def _one_counts_for_all(case: Case) -> Iterator[Finding]:
    manifest = case.manifest
    workers = manifest.gateway.workers
    limited = any(section.model_fields_set for _, _, section in manifest.access.limits.each())
    if limited and workers > 1 and manifest.store.redis is None and ("store", "redis") not in case.unknown:
        problem = f"{workers} gateway workers would each count for themselves, so that {workers} times the limits pass"
        yield Finding(
            ("access", "limits"),
            problem,
            "write `gateway.workers: 1`, or `store.redis: ${secret:REDIS_URL}`",
            on_key=True,
        )


def _endpoints(case: Case) -> Iterator[Finding]:
    known = {*case.names("endpoints"), *served_alone(case.manifest)}
    for name in case.manifest.access.limits.endpoints:
        if name not in known:
            yield unknown_name(("access", "limits", "endpoints", name), name, section="endpoints", known=known)


def _redis(case: Case) -> Iterator[Finding]:
    redis, place = case.manifest.store.redis, ("store", "redis")
    if redis is None or not redis.is_literal or place in case.unknown:
        return
    text = redis.reveal()
    if not _is_address(text):
        yield Finding(place, "is no address of Redis", redis_remedy(text))
    elif urlsplit(text).password is not None or "password=" in urlsplit(text).query:
        yield Finding(place, "holds a password", "put the address into the environment, write `${secret:REDIS_URL}`")


def _database(case: Case) -> Iterator[Finding]:
    database, place = case.manifest.store.database, ("store", "database")
    if database is None or not database.is_literal or place in case.unknown:
        return
    text = database.reveal()
    if has_password(text):
        yield Finding(place, "holds a password", "put the address into the environment, write `${secret:DATABASE_URL}`")
        return
    try:
        read_address(text)
    except StartError as error:
        yield Finding(place, error.message, error.hint)


def _is_address(text: str) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme in {"redis", "rediss", "unix"} and bool(url.hostname or url.path) and url.port != 0
    except ValueError:
        return False


RULES: Rules = (_one_counts_for_all, _endpoints, _redis, _database)
