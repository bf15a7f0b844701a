"""Dumps of PostgreSQL by its own programs, in pieces; a password is in their environment alone."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from modelwright.adapters.stores.postgres_address import Address
from modelwright.core.errors.backups import BackupError, RestoreError

PIECE = 4 << 20
_PLACES = "/usr/lib/postgresql"
_FILES = {"sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY"}


def dump(address: Address, env: Mapping[str, str]) -> Iterator[bytes]:
    """Our schema, in pg_dump's compressed format; `env` is what it is run with. Raises BackupError, also at the end."""
    words = (_program("pg_dump"), "--format", "custom", "--no-owner", "--schema", address.schema)
    with tempfile.TemporaryFile() as told:
        with subprocess.Popen(words, env=_environment(address, env), stdout=subprocess.PIPE, stderr=told) as process:
            assert process.stdout is not None  # noqa: S101 - it was asked for
            try:
                while piece := process.stdout.read(PIECE):
                    yield piece
            except GeneratorExit:
                process.kill()
                raise
        if process.returncode:
            told.seek(0)
            problem = told.read(4096).decode("utf-8", "replace").strip()
            raise BackupError(f"{address} cannot be dumped: {problem}", hint="see what pg_dump says")


def load(address: Address, file: Path, env: Mapping[str, str]) -> None:
    """All of a dump or nothing, in place of what our schema holds. Raises RestoreError."""
    words = ("--no-owner", "--clean", "--if-exists", "--single-transaction", "--exit-on-error")
    whole = _environment(address, env)
    command = [_program("pg_restore"), *words, "--dbname", whole.get("PGDATABASE", "postgres"), str(file)]
    done = subprocess.run(command, env=whole, capture_output=True, text=True, check=False, errors="replace")
    if done.returncode:
        problem = done.stderr.strip()[-2000:]
        raise RestoreError(f"{address} took nothing in: {problem}", hint="see what pg_restore says")


def is_empty(address: Address, env: Mapping[str, str]) -> bool:
    """Whether our schema has no table there. Raises RestoreError."""
    asked = f"SELECT count(*) FROM pg_tables WHERE schemaname = '{address.schema.replace(chr(39), chr(39) * 2)}'"  # noqa: S608
    command = [_program("psql"), "--no-psqlrc", "--tuples-only", "--no-align", "--command", asked]
    done = subprocess.run(command, env=_environment(address, env), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RestoreError(f"{address} cannot be asked: {done.stderr.strip()}", hint="see that it runs")
    return done.stdout.strip() == "0"


def _program(name: str) -> str:
    """The newest one: it reads what older servers have, not the other way round."""
    versions = sorted(
        (folder for folder in Path(_PLACES).glob("*") if folder.name.isdigit()), key=lambda one: -int(one.name)
    )
    beside = (str(folder / "bin" / name) for folder in versions if (folder / "bin" / name).exists())
    found = next(beside, None) or shutil.which(name)
    if found is None:
        raise BackupError(f"{name} is not here", hint="install PostgreSQL's client programs (postgresql-client)")
    return found


def _environment(address: Address, env: Mapping[str, str]) -> dict[str, str]:
    """As libpq reads it."""
    settings = " ".join(f"-c {name}={value}" for name, value in address.settings.items() if name != "search_path")
    said = {
        "PGHOST": ",".join(host for host, _ in address.hosts),
        "PGPORT": ",".join(str(port) for _, port in address.hosts),
        "PGUSER": address.user,
        "PGPASSWORD": address.password,
        "PGDATABASE": address.database,
        "PGSSLMODE": address.mode,
        "PGOPTIONS": settings,
        **{variable: address.files.get(name) for name, variable in _FILES.items()},
    }
    plain = {name: value for name, value in env.items() if not name.startswith("PG")}
    return {**plain, **{name: value for name, value in said.items() if value}}
