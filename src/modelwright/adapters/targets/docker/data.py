"""What lasts of an environment on a Docker host, out and in: a database, by the programs of its own image.

Nothing needs PostgreSQL's programs here, no port of the host is opened, and a password never leaves its container.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from threading import Event

from docker import APIClient
from docker.errors import APIError, NotFound
from requests import RequestException

from modelwright.adapters.targets.docker.engine import failed
from modelwright.adapters.targets.docker.inside import Inside
from modelwright.adapters.targets.docker.names import Names
from modelwright.core.errors.backups import BackupError, RestoreError
from modelwright.core.errors.deploying import StepFailed
from modelwright.core.ports.deploying.data import Database, Pour

PIECE = 4 << 20
_AS_OWNER = (
    "PGHOST=/var/run/postgresql PGUSER=$POSTGRES_USER PGDATABASE=$POSTGRES_DB"
    ' PGPASSWORD=$(cat "$POSTGRES_PASSWORD_FILE"); export PGHOST PGUSER PGDATABASE PGPASSWORD; exec "$@"'
)
"""As PostgreSQL's image is told whose its database is."""
_OWN = '\\set own `printf %s "$POSTGRES_DB"`\n\\set word `cat "$POSTGRES_PASSWORD_FILE"`'
_OPEN = 'ALTER DATABASE :"own" ALLOW_CONNECTIONS true'
_QUIET = (
    "SET log_statement = none",
    "SET log_min_duration_statement = -1",
    "SET log_min_error_statement = panic",
)
"""So that no log of the server has the password."""
_LOOK = """\
SELECT current_setting('server_version_num')::int / 10000, count(*) FROM pg_tables
WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"""
_NEW, _OLD = "being_restored", "before_restore"
"""Databases beside the one that is put back, while it is."""
_FAILS = (RestoreError, StepFailed, RequestException)


class DockerData:
    """Of one environment, in one thread."""

    def __init__(self, api: APIClient, names: Names, *, unwanted: Event) -> None:
        """`unwanted`: set when nobody waits for it any more; what runs ends soon then, by StepFailed."""
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
        if status != 0:  # as a restore has left it that was cut off within its swap
            with suppress(RestoreError):
                self._ask(service, _OPEN)
            status, said = self._run(service, "psql", "--no-psqlrc", "-tAc", _LOOK)
        if status != 0:
            raise BackupError(f"{service} cannot be asked: {said}", hint=f"see `docker logs {container}` there")
        version, _, tables = said.partition("|")
        return Database(version=int(version), tables=int(tables))

    def dump(self, service: str) -> Iterator[bytes]:
        with self._inside(service, ("pg_dump", "--format", "custom", "--no-owner")) as program:
            yield from _gathered(program.output())
            if program.status() != 0:
                problem = program.said or "it was cut off"
                raise BackupError(f"{service} cannot be dumped: {problem}", hint="see what pg_dump says")

    def load(self, service: str, pour: Pour) -> None:
        """Into a database beside it, which then takes its place: who uses it loses his connection, and nothing else."""
        self._ask(service, f"DROP DATABASE IF EXISTS {_NEW} WITH (FORCE)", f"CREATE DATABASE {_NEW} TEMPLATE template0")
        words = ("--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error", "--dbname", _NEW)
        with self._inside(service, ("pg_restore", *words), fed=True) as program:
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
        """Its password is that of the environment from then on, whichever one its volume was made with."""
        own = ':"own"'
        self._ask(service, f"DROP DATABASE IF EXISTS {_OLD} WITH (FORCE)")
        try:
            self._ask(
                service,
                f"ALTER DATABASE {own} ALLOW_CONNECTIONS false",
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :'own'",
                *_QUIET,
                f"BEGIN; ALTER DATABASE {own} RENAME TO {_OLD}; ALTER DATABASE {_NEW} RENAME TO {own}",
                "ALTER ROLE CURRENT_USER PASSWORD :'word'; COMMIT",
            )
        except _FAILS:
            with suppress(*_FAILS):  # whoever looks at it next opens it
                self._ask(service, _OPEN)
            raise
        with suppress(*_FAILS):  # the next restore drops it
            self._ask(service, f"DROP DATABASE {_OLD} WITH (FORCE)")

    def _ask(self, service: str, *statements: str) -> None:
        """From outside of the database itself, one after the other; raises RestoreError."""
        words = ("psql", "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", "postgres")
        with self._inside(service, words, fed=True) as program:
            script = "\n".join(["\\set VERBOSITY terse", _OWN, *(f"{one};" for one in statements), ""])
            program.feed(lambda take: take(script.encode()))
            for _ in program.output():
                pass
            if program.status() != 0:
                problem = program.said or "it was cut off"
                raise RestoreError(f"{service} took nothing in: {problem}", hint="see that nobody holds it, and again")

    def _run(self, service: str, *words: str) -> tuple[int | None, str]:
        """Status, and what it has said."""
        with self._inside(service, words) as program:
            output = b"".join(program.output()).decode("utf-8", "replace").strip()
            status = program.status()
            return status, output if status == 0 else program.said or output

    @contextmanager
    def _inside(self, service: str, words: Iterable[str], *, fed: bool = False) -> Iterator[Inside]:
        """Raises StepFailed when the engine does not carry it through."""
        command, container = ("sh", "-c", _AS_OWNER, "sh", *words), self._names.container(service)
        try:
            with closing(Inside(self._api, container, command, unwanted=self._unwanted, fed=fed)) as program:
                yield program
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
