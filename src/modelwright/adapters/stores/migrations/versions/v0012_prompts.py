"""Which prompt went before a call's messages."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Rows from before had none."""
    op.add_column("ledger", sa.Column("prompt", sa.String, nullable=False, server_default=sa.text("''")))
    op.add_column("ledger", sa.Column("prompt_digest", sa.String, nullable=False, server_default=sa.text("''")))
