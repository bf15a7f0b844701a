"""Keys, the ledger, how far each spool file was read, and serials."""

import sqlalchemy as sa
from alembic import op

from modelwright.adapters.stores.tables import Text

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the first tables."""
    _keys()
    _ledger()
    op.create_table(
        "spool_offsets",
        sa.Column("file", Text, primary_key=True),
        sa.Column("offset", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "serials",
        sa.Column("name", Text, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )


def _keys() -> None:
    op.create_table(
        "keys",
        sa.Column("id", Text, primary_key=True),
        sa.Column("digest", Text, nullable=False, unique=True),
        sa.Column("name", Text, nullable=False),
        sa.Column("tenant", Text, nullable=False),
        sa.Column("role", Text, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("expires", sa.Double),
        sa.Column("revoked", sa.Double),
    )
    op.create_index("keys_tenant_name", "keys", ["tenant", "name"])


def _ledger() -> None:
    op.create_table(
        "ledger",
        sa.Column("v", sa.Integer, nullable=False),
        sa.Column("call", Text, primary_key=True),
        sa.Column("request_id", Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("operation", Text, nullable=False),
        sa.Column("endpoint", Text, nullable=False),
        sa.Column("tenant", Text, nullable=False),
        sa.Column("key", Text, nullable=False),
        sa.Column("user", Text, nullable=False),
        sa.Column("variant", Text, nullable=False),
        sa.Column("provider", Text, nullable=False),
        sa.Column("model", Text, nullable=False),
        sa.Column("release", Text, nullable=False),
        sa.Column("stream", sa.Boolean, nullable=False),
        sa.Column("outcome", Text, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("error", Text, nullable=False),
        sa.Column("input_tokens", sa.BigInteger),
        sa.Column("cached_tokens", sa.BigInteger),
        sa.Column("output_tokens", sa.BigInteger),
        sa.Column("reasoning_tokens", sa.BigInteger),
        sa.Column("cost", Text),
        sa.Column("currency", Text, nullable=False),
        sa.Column("reserved", Text, nullable=False),
        sa.Column("latency_ms", sa.Double, nullable=False),
        sa.Column("first_token_ms", sa.Double),
        sa.Column("bytes_in", sa.BigInteger, nullable=False),
        sa.Column("bytes_out", sa.BigInteger, nullable=False),
        sa.Column("chunks", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("tags", sa.JSON, nullable=False),
        sa.Column("writer", Text, nullable=False),
        sqlite_with_rowid=False,
    )
    few = sa.text("outcome = 'intent'")
    op.create_index("ledger_open_intents", "ledger", ["writer"], sqlite_where=few, postgresql_where=few)
