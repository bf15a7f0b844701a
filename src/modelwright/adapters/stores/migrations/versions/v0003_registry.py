"""The registry's histories and documents."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the registry's tables."""
    op.create_table(
        "registry_history",
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("line", sa.String, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("act", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("to", sa.String, nullable=False),
        sa.Column("was", sa.String, nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("why", sa.String, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )
    op.create_table(
        "registry_contents",
        sa.Column("digest", sa.String, primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
