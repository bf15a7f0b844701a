"""Takes what a file holds into the database that the manifest names, while nothing runs."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from modelwright.adapters.stores.copying import copy_all
from modelwright.adapters.stores.database import open_database
from modelwright.app.admin.store import DATABASE, open_store
from modelwright.app.manifest.load import database_of
from modelwright.app.settings.own_secrets import PEPPER, pepper
from modelwright.app.settings.settings import PEPPER_NAME, STATE, Settings
from modelwright.app.settings.shared_database import PLACE, SharedDatabase
from modelwright.core.errors.starting import StartError


def import_file(manifest: Path, *, environment: str, source: Path | None = None) -> dict[str, int]:
    """Rows of each table that went in; by default from the file in the state directory. Raises StartError."""
    base = manifest.absolute().parent
    state = base / STATE
    file = source or state / DATABASE
    if not file.is_file():
        raise StartError(f"there is no database {file}", hint="name the file: modelwright database import FILE")
    address = database_of(manifest, environment=environment)
    if not address:
        hint = "write `database: ${secret:DATABASE_URL}`"
        raise StartError("the manifest keeps its state in a file itself", hint=hint, place=PLACE)
    settings = Settings(base, environment=environment, state=state)
    made_with = pepper(state, configured=settings.secret(PEPPER_NAME))
    if (state / PEPPER).is_file() and pepper(state) != made_with:
        hint = f"set it to what stands in {state / PEPPER}, on every host"
        raise StartError("with another pepper no key of the file would work any more", hint=hint, place=PEPPER_NAME)
    shared = SharedDatabase(text=address, base=base, resolve=settings.resolve, pepper=made_with)
    return asyncio.run(_copied(state, file, shared))


async def _copied(state: Path, file: Path, shared: SharedDatabase) -> dict[str, int]:
    store = await open_store(state, patience=0.0, shared=shared)  # and nobody of this host is at either
    try:
        source = await open_database(file)
        try:
            return await copy_all(source, store.database)
        finally:
            await source.close()
    except SQLAlchemyError as error:
        problem = f"nothing was taken in: {getattr(error, 'orig', None) or error}"
        raise StartError(problem, hint="see what the database says", place=PLACE) from error
    finally:
        await store.close()
