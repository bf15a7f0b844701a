"""What lasts of an environment on a Docker host, out and in: a database, by the programs of its own image.

Nothing needs PostgreSQL's programs here, no port of the host is opened, and a password never leaves its container.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from threading import Event

from docker import APIClient
from docker.errors import APIError, NotFound

from modelwright.adapters.targets.docker.engine import failed
from modelwright.adapters.targets.docker.inside import Inside
from modelwright.adapters.targets.docker.names import Names
from modelwright.core.errors.backups import BackupError, RestoreError
from modelwright.core.ports.deploying.data import Database, Pour

PIECE = 4 << 20
_AS_OWNER = (
    "PGHOST=/var/run/postgresql PGUSER=$POSTGRES_USER PGDATABASE=$POSTGRES_DB"
    ' PGPASSWORD=$(cat "$POSTGRES_PASSWORD_FILE"); export PGHOST PGUSER PGDATABASE PGPASSWORD; exec "$@"'
)
"""As PostgreSQL's image is told whose its database is."""
_OWN = '\\set own `printf %s "$POSTGRES_DB"`'
_LOOK = """\
SELECT current_setting('server_version_num')::int / 10000, count(*) FROM pg_tables
WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"""
_NEW, _OLD = "being_restored", "before_restore"
"""Databases beside the one that is put back, while it is."""


class DockerData:
    """Of one environment, in one thread."""

    def __init__(self, api: APIClient, names: Names, *, unwanted: Event) -> None:
        """`unwanted`: set when nobody waits for it any more; what runs ends soon then, by APIError."""
        self._api = api
        self._names = names
        self._unwanted = unwanted

    def look(self, service: str) -> Database | None:
        container = self._names.container(service)
        try:
            found = self._api.inspect_container(container)
        except NotFound:
            return None
        if not found["State"]["Running"]:
            return None
        status, said = self._run(service, "psql", "--no-psqlrc", "-tAc", _LOOK)
        if status:
            raise BackupError(f"{service} cannot be asked: {said}", hint=f"see `docker logs {container}` there")
        version, _, tables = said.partition("|")
        return Database(version=int(version), tables=int(tables))

    def dump(self, service: str) -> Iterator[bytes]:
        with closing(self._inside(service, ("pg_dump", "--format", "custom", "--no-owner"))) as program:
            yield from _gathered(program.output())
            if program.status() != 0:
                problem = program.said or "it was cut off"
                raise BackupError(f"{service} cannot be dumped: {problem}", hint="see what pg_dump says")

    def load(self, service: str, pour: Pour) -> None:
        """Into a database beside it, which then takes its place: who uses it loses his connection, and nothing else."""
        self._ask(service, f"DROP DATABASE IF EXISTS {_NEW} WITH (FORCE)", f"CREATE DATABASE {_NEW} TEMPLATE template0")
        words = ("--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error", "--dbname", _NEW)
        with closing(self._inside(service, ("pg_restore", *words), fed=True)) as program:
            program.feed(pour)
            for _ in program.output():
                pass
            status, said = program.status(), program.said
        if status != 0:
            self._ask(service, f"DROP DATABASE IF EXISTS {_NEW} WITH (FORCE)")
            problem = said or "it was cut off"
            raise RestoreError(f"{service} took nothing in: {problem}", hint="see what pg_restore says")
        self._swap(service)

    def _swap(self, service: str) -> None:
        own = ':"own"'
        self._ask(service, f"DROP DATABASE IF EXISTS {_OLD} WITH (FORCE)")
        try:
            self._ask(
                service,
                f"ALTER DATABASE {own} ALLOW_CONNECTIONS false",
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :'own'",
                f"BEGIN; ALTER DATABASE {own} RENAME TO {_OLD}; ALTER DATABASE {_NEW} RENAME TO {own}; COMMIT",
            )
        except RestoreError:
            self._ask(service, f"ALTER DATABASE {own} ALLOW_CONNECTIONS true")
            raise
        self._ask(service, f"DROP DATABASE {_OLD} WITH (FORCE)")

    def _ask(self, service: str, *statements: str) -> None:
        """From outside of the database itself, one after the other; raises RestoreError."""
        words = ("psql", "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", "postgres")
        with closing(self._inside(service, words, fed=True)) as program:
            script = "\n".join([_OWN, *(f"{one};" for one in statements), ""])
            program.feed(lambda take: take(script.encode()))
            for _ in program.output():
                pass
            if program.status() != 0:
                problem = program.said or "it was cut off"
                raise RestoreError(f"{service} took nothing in: {problem}", hint="see that nobody holds it, and again")

    def _run(self, service: str, *words: str) -> tuple[int | None, str]:
        """Status, and what it has said."""
        with closing(self._inside(service, words)) as program:
            output = b"".join(program.output()).decode("utf-8", "replace").strip()
            return program.status(), program.said or output

    def _inside(self, service: str, words: Iterable[str], *, fed: bool = False) -> Inside:
        command = ("sh", "-c", _AS_OWNER, "sh", *words)
        try:
            return Inside(self._api, self._names.container(service), command, unwanted=self._unwanted, fed=fed)
        except APIError as error:
            raise failed(f"{service} cannot be reached", error) from error


def _gathered(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """In pieces that are worth a name of their own."""
    held = bytearray()
    for piece in pieces:
        held += piece
        if len(held) >= PIECE:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)
