"""Runs the packaged migrations by Alembic; imported only when a database does not stand at the newest one."""

from __future__ import annotations

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

log = logging.getLogger("modelwright.database")

MIGRATIONS = Path(__file__).with_name("migrations")


def configuration(connection: Connection | None = None) -> Config:
    """Alembic's settings, without a file; the migrations run on this connection, inside its transaction."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection) -> None:
    """Run what is missing."""
    command.upgrade(configuration(connection), "head")
    log.info("the database stands at its newest migration now")
