"""Brings a database to the newest migration, whichever database it is; it opens none."""

from __future__ import annotations

import logging
from importlib import import_module

from sqlalchemy import Connection, inspect, text

from modelwright.adapters.stores.tables import HEAD, metadata
from modelwright.core.errors.starting import StartError


def bring_to_head(connection: Connection, place: str) -> None:
    """In the transaction of this connection; `place` names the database. Raises StartError for that of a newer version.

    Nobody else may do it at the same time: SQLite's write lock sees to that, or PostgreSQL's advisory one.
    """
    tables = inspect(connection).get_table_names()
    if not tables:
        _make(connection)
        return
    found = _revision(connection) if "alembic_version" in tables else None
    if found == HEAD:
        return
    if found is not None and found > HEAD:
        hint = "run that version again, or restore the backup that was made before it"
        raise StartError(f"{place} was written by a newer version of Modelwright (schema {found})", hint=hint)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it would tell of its own set-up, line by line
    import_module("modelwright.adapters.stores.migrate").upgrade(connection)


def _make(connection: Connection) -> None:
    """A new database begins where the migrations would lead it (a test compares the two), without loading Alembic."""
    metadata.create_all(connection)
    connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})


def _revision(connection: Connection) -> str | None:
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
