"""Which endpoints a key may call, and which key takes its place."""

import sqlalchemy as sa
from alembic import op

from modelwright.adapters.stores.tables import Text

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Keys made before may call everything and have no successor."""
    op.add_column("keys", sa.Column("endpoints", sa.JSON, nullable=False, server_default=sa.text("'[]'")))
    op.add_column("keys", sa.Column("successor", Text, nullable=False, server_default=sa.text("''")))
