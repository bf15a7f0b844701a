"""Rows of attempts, which name the call that they belong to."""

import sqlalchemy as sa
from alembic import op

from modelwright.adapters.stores.tables import Text

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Rows from before are calls."""
    op.add_column("ledger", sa.Column("attempt_of", Text, nullable=False, server_default=sa.text("''")))
    few = sa.text("attempt_of <> ''")
    op.create_index("ledger_attempts", "ledger", ["attempt_of"], sqlite_where=few, postgresql_where=few)
