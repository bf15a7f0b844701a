"""What each host serves, so that nobody removes it elsewhere."""

import sqlalchemy as sa
from alembic import op

from modelwright.adapters.stores.tables import Text

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Make the table of holds."""
    op.create_table(
        "holds",
        sa.Column("host", Text, primary_key=True),
        sa.Column("model", Text, primary_key=True),
        sa.Column("digest", Text, nullable=False),
    )
