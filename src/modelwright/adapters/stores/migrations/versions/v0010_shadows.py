"""Calls that shadow others."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """No call that was made before shadows another."""
    op.add_column("ledger", sa.Column("shadow_of", sa.String, nullable=False, server_default=sa.text("''")))
