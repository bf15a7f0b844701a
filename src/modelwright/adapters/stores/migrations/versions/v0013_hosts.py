"""Which hosts share the database, and what they have agreed on."""

import sqlalchemy as sa
from alembic import op

from modelwright.adapters.stores.tables import Text

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Make the tables of hosts."""
    op.create_table(
        "hosts",
        sa.Column("host", Text, primary_key=True),
        sa.Column("name", Text, nullable=False),
        sa.Column("seen", sa.Double, nullable=False),
    )
    op.create_table(
        "agreed",
        sa.Column("name", Text, primary_key=True),
        sa.Column("value", Text, nullable=False),
    )
