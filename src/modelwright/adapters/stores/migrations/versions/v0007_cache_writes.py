"""Tokens that a provider wrote into its cache: they have a price of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """How many they were in older rows is not known."""
    op.add_column("ledger", sa.Column("cache_write_tokens", sa.BigInteger))
