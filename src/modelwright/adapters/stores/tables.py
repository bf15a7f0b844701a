"""The tables, as the code of this version expects them; how an older database gets there is in `migrations/`."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    text,
)

HEAD = "0015"
"""The newest migration. A database that stands there needs no Alembic, which takes longer to import than to run."""

metadata = MetaData()

Text = String().with_variant(String(collation="C"), "postgresql")
"""Compared by its bytes, as SQLite does, whatever language a PostgreSQL database was made for."""

_ADMINS = text("role = 'admin'")
_OPEN = text("outcome = 'intent'")
_ATTEMPTS = text("attempt_of <> ''")
# Which rows of a table an index holds: of these there are few.

keys = Table(
    "keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("digest", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("created", Double, nullable=False),
    Column("expires", Double),
    Column("revoked", Double),
    Column("endpoints", JSON, nullable=False, server_default=text("'[]'")),
    Column("successor", Text, nullable=False, server_default=text("''")),
    Column("changed", BigInteger, nullable=False, server_default=text("0")),
    Index("keys_tenant_name", "tenant", "name"),
    Index("keys_name", "name"),
    Index("keys_changed", "changed"),
    Index("keys_admins", "role", sqlite_where=_ADMINS, postgresql_where=_ADMINS),
)

ledger = Table(
    "ledger",
    metadata,
    Column("v", Integer, nullable=False),
    # A UUIDv7: in order of the primary key is in order of time.
    Column("call", Text, primary_key=True),
    Column("request_id", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("operation", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("user", Text, nullable=False),
    Column("variant", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("release", Text, nullable=False),
    Column("stream", Boolean, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("input_tokens", BigInteger),
    Column("cached_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("reasoning_tokens", BigInteger),
    # Exact decimals stay text: a float would round money.
    Column("cost", Text),
    Column("currency", Text, nullable=False),
    Column("reserved", Text, nullable=False),
    Column("latency_ms", Double, nullable=False),
    Column("first_token_ms", Double),
    Column("bytes_in", BigInteger, nullable=False),
    Column("bytes_out", BigInteger, nullable=False),
    Column("chunks", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("cache", Text, nullable=False, server_default=text("''")),
    Column("saved", Text),
    Column("saved_tokens", BigInteger),
    Column("tags", JSON, nullable=False),
    # Not of the contract: whose spool the row came from, to find the intents of a writer that died.
    Column("writer", Text, nullable=False),
    # Added later, each at the end, where a migration puts it.
    Column("attempt_of", Text, nullable=False, server_default=text("''")),
    Column("cache_write_tokens", BigInteger),
    Column("machine_us", BigInteger),
    Column("guards", JSON, nullable=False, server_default=text("'{}'")),
    Column("shadow_of", Text, nullable=False, server_default=text("''")),
    Column("prompt", Text, nullable=False, server_default=text("''")),
    Column("prompt_digest", Text, nullable=False, server_default=text("''")),
    Index("ledger_open_intents", "writer", sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("ledger_attempts", "attempt_of", sqlite_where=_ATTEMPTS, postgresql_where=_ATTEMPTS),
    sqlite_with_rowid=False,
)

feedback = Table(
    "feedback",
    metadata,
    # Who says something of a call of another tenant says it for himself: it joins no row of the ledger.
    Column("call", Text, primary_key=True),
    Column("tenant", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("key", Text, nullable=False),
    Column("score", Double, nullable=False),
    Column("comment", Text, nullable=False),
    Column("at", Double, nullable=False),
    sqlite_with_rowid=False,
)

spool_offsets = Table(
    "spool_offsets",
    metadata,
    Column("file", Text, primary_key=True),
    Column("offset", BigInteger, nullable=False),
)

serials = Table(
    "serials",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

hosts = Table(
    "hosts",
    metadata,
    Column("host", Text, primary_key=True),
    # For people; two hosts may have the same.
    Column("name", Text, nullable=False),
    Column("seen", Double, nullable=False),
)

agreed = Table(
    "agreed",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

registry_history = Table(
    "registry_history",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("line", Text, primary_key=True),
    # Counts the entries of a line from 0: who adds one says how many there were.
    Column("number", Integer, primary_key=True),
    Column("act", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("to", Text, nullable=False),
    Column("was", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("at", Double, nullable=False),
)

registry_contents = Table(
    "registry_contents",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

holds = Table(
    "holds",
    metadata,
    Column("host", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("digest", Text, nullable=False),
)

tasks = Table(
    "tasks",
    metadata,
    # `task_` and a UUIDv7: in order of the primary key is in order of time.
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("due", Double),
    Column("ended", Double),
    Column("idempotency", Text, nullable=False),
    # The whole value, these columns included: they are there to be looked for.
    Column("task", LargeBinary, nullable=False),
    Index("tasks_due", "status", "due"),
    Index("tasks_tenant", "tenant", "owner", "id"),
    Index("tasks_ended", "ended"),
    Index(
        "tasks_idempotency",
        "tenant",
        "owner",
        "idempotency",
        unique=True,
        sqlite_where=text("idempotency <> ''"),
        postgresql_where=text("idempotency <> ''"),
    ),
)

task_contents = Table(
    "task_contents",
    metadata,
    # Apart from the tasks, whose rows are written again at every change.
    Column("task", Text, primary_key=True),
    Column("part", Text, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)
