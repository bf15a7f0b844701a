"""The time that a model of ours has worked on a call."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """What it was in older rows is not known."""
    op.add_column("ledger", sa.Column("machine_us", sa.BigInteger))
