"""One database is copied into another without ever holding much of it."""

import tracemalloc
from pathlib import Path

from sqlalchemy import func, insert, select

from modelwright.adapters.stores.copying import FEW, copy_all
from modelwright.adapters.stores.database import Database, open_database
from modelwright.adapters.stores.tables import task_contents

LONG = 1 << 20
MANY = 10 * FEW


async def test_long_contents_go_over_a_few_at_a_time(database: Database, tmp_path: Path) -> None:
    source = await open_database(tmp_path / "old" / "modelwright.db")
    async with source.writer.begin() as writing:
        for number in range(MANY):
            values = {"task": f"task_{number}", "part": "answer", "content": bytes(LONG)}
            await writing.execute(insert(task_contents).values(**values))
    tracemalloc.start()
    try:
        copied = await copy_all(source, database)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        await source.close()
    assert copied["task_contents"] == MANY
    assert peak < MANY * LONG / 2
    async with database.reader.connect() as reading:
        lengths = select(func.count(), func.min(func.length(task_contents.c.content))).select_from(task_contents)
        assert tuple((await reading.execute(lengths)).one()) == (MANY, LONG)
