"""What was thought of answers."""

import sqlalchemy as sa
from alembic import op

from modelwright.adapters.stores.tables import Text

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the table of feedback."""
    op.create_table(
        "feedback",
        sa.Column("call", Text, primary_key=True),
        sa.Column("tenant", Text, primary_key=True),
        sa.Column("name", Text, primary_key=True),
        sa.Column("key", Text, nullable=False),
        sa.Column("score", sa.Double, nullable=False),
        sa.Column("comment", Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sqlite_with_rowid=False,
    )
