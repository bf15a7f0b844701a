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

HEAD = "0012"
"""The newest migration. A database that stands there needs no Alembic, which takes longer to import than to run."""

metadata = MetaData()

keys = Table(
    "keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("digest", String, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("tenant", String, nullable=False),
    Column("role", String, nullable=False),
    Column("created", Double, nullable=False),
    Column("expires", Double),
    Column("revoked", Double),
    Column("endpoints", JSON, nullable=False, server_default=text("'[]'")),
    Column("successor", String, nullable=False, server_default=text("''")),
    Column("changed", BigInteger, nullable=False, server_default=text("0")),
    Index("keys_tenant_name", "tenant", "name"),
    Index("keys_name", "name"),
    Index("keys_changed", "changed"),
    Index("keys_admins", "role", sqlite_where=text("role = 'admin'")),
)

ledger = Table(
    "ledger",
    metadata,
    Column("v", Integer, nullable=False),
    # A UUIDv7: in order of the primary key is in order of time.
    Column("call", String, primary_key=True),
    Column("request_id", String, nullable=False),
    Column("at", Double, nullable=False),
    Column("operation", String, nullable=False),
    Column("endpoint", String, nullable=False),
    Column("tenant", String, nullable=False),
    Column("key", String, nullable=False),
    Column("user", String, nullable=False),
    Column("variant", String, nullable=False),
    Column("provider", String, nullable=False),
    Column("model", String, nullable=False),
    Column("release", String, nullable=False),
    Column("stream", Boolean, nullable=False),
    Column("outcome", String, nullable=False),
    Column("status", Integer, nullable=False),
    Column("error", String, nullable=False),
    Column("input_tokens", BigInteger),
    Column("cached_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("reasoning_tokens", BigInteger),
    # Exact decimals stay text: a float would round money.
    Column("cost", String),
    Column("currency", String, nullable=False),
    Column("reserved", String, nullable=False),
    Column("latency_ms", Double, nullable=False),
    Column("first_token_ms", Double),
    Column("bytes_in", BigInteger, nullable=False),
    Column("bytes_out", BigInteger, nullable=False),
    Column("chunks", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("cache", String, nullable=False, server_default=text("''")),
    Column("saved", String),
    Column("saved_tokens", BigInteger),
    Column("tags", JSON, nullable=False),
    # Not of the contract: whose spool the row came from, to find the intents of a writer that died.
    Column("writer", String, nullable=False),
    # Added later, each at the end, where a migration puts it.
    Column("attempt_of", String, nullable=False, server_default=text("''")),
    Column("cache_write_tokens", BigInteger),
    Column("machine_us", BigInteger),
    Column("guards", JSON, nullable=False, server_default=text("'{}'")),
    Column("shadow_of", String, nullable=False, server_default=text("''")),
    Column("prompt", String, nullable=False, server_default=text("''")),
    Column("prompt_digest", String, nullable=False, server_default=text("''")),
    Index("ledger_open_intents", "writer", sqlite_where=text("outcome = 'intent'")),
    Index("ledger_attempts", "attempt_of", sqlite_where=text("attempt_of <> ''")),
    sqlite_with_rowid=False,
)

feedback = Table(
    "feedback",
    metadata,
    # Who says something of a call of another tenant says it for himself: it joins no row of the ledger.
    Column("call", String, primary_key=True),
    Column("tenant", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("key", String, nullable=False),
    Column("score", Double, nullable=False),
    Column("comment", String, nullable=False),
    Column("at", Double, nullable=False),
    sqlite_with_rowid=False,
)

spool_offsets = Table(
    "spool_offsets",
    metadata,
    Column("file", String, primary_key=True),
    Column("offset", BigInteger, nullable=False),
)

serials = Table(
    "serials",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

registry_history = Table(
    "registry_history",
    metadata,
    Column("kind", String, primary_key=True),
    Column("line", String, primary_key=True),
    # Counts the entries of a line from 0: who adds one says how many there were.
    Column("number", Integer, primary_key=True),
    Column("act", String, nullable=False),
    Column("name", String, nullable=False),
    Column("to", String, nullable=False),
    Column("was", String, nullable=False),
    Column("who", String, nullable=False),
    Column("why", String, nullable=False),
    Column("at", Double, nullable=False),
)

registry_contents = Table(
    "registry_contents",
    metadata,
    Column("digest", String, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)
