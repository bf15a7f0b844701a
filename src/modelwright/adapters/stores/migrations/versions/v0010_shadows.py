"""Calls that shadow others."""

import sqlalchemy as sa
from alembic import op

from modelwright.adapters.stores.tables import Text

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """No call that was made before shadows another."""
    op.add_column("ledger", sa.Column("shadow_of", Text, nullable=False, server_default=sa.text("''")))
