"""What the guard of an endpoint found in a call."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Rows from before knew no guard."""
    op.add_column("ledger", sa.Column("guards", sa.JSON, nullable=False, server_default=sa.text("'{}'")))
