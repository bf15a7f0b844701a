"""Rows of attempts, which name the call that they belong to."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Rows from before are calls."""
    op.add_column("ledger", sa.Column("attempt_of", sa.String, nullable=False, server_default=sa.text("''")))
    op.create_index("ledger_attempts", "ledger", ["attempt_of"], sqlite_where=sa.text("attempt_of <> ''"))
