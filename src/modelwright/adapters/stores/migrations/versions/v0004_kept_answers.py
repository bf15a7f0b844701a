"""What the cache did with a call, and what a kept answer saved."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Rows written before knew no cache."""
    with op.batch_alter_table("ledger", recreate="always", table_kwargs={"sqlite_with_rowid": False}) as table:
        cache = sa.Column("cache", sa.String, nullable=False, server_default=sa.text("''"))
        table.add_column(cache, insert_after="attempts")
        table.add_column(sa.Column("saved", sa.String), insert_after="cache")
        table.add_column(sa.Column("saved_tokens", sa.BigInteger), insert_after="saved")
