"""The registry's histories and documents."""

import sqlalchemy as sa
from alembic import op

from modelwright.adapters.stores.tables import Text

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the registry's tables."""
    op.create_table(
        "registry_history",
        sa.Column("kind", Text, primary_key=True),
        sa.Column("line", Text, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("act", Text, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("to", Text, nullable=False),
        sa.Column("was", Text, nullable=False),
        sa.Column("who", Text, nullable=False),
        sa.Column("why", Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )
    op.create_table(
        "registry_contents",
        sa.Column("digest", Text, primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
