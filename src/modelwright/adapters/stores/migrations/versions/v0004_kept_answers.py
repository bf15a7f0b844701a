"""What the cache did with a call, and what a kept answer saved."""

import sqlalchemy as sa
from alembic import op

from modelwright.adapters.stores.tables import Text

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Rows written before knew no cache."""
    cache = sa.Column("cache", Text, nullable=False, server_default=sa.text("''"))
    if op.get_context().dialect.name != "sqlite":
        for column in (cache, sa.Column("saved", Text), sa.Column("saved_tokens", sa.BigInteger)):
            op.add_column("ledger", column)
        return
    with op.batch_alter_table("ledger", recreate="always", table_kwargs={"sqlite_with_rowid": False}) as table:
        table.add_column(cache, insert_after="attempts")
        table.add_column(sa.Column("saved", Text), insert_after="cache")
        table.add_column(sa.Column("saved_tokens", sa.BigInteger), insert_after="saved")
