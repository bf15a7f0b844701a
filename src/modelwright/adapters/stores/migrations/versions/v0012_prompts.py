"""Which prompt went before a call's messages."""

import sqlalchemy as sa
from alembic import op

from modelwright.adapters.stores.tables import Text

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Rows from before had none."""
    op.add_column("ledger", sa.Column("prompt", Text, nullable=False, server_default=sa.text("''")))
    op.add_column("ledger", sa.Column("prompt_digest", Text, nullable=False, server_default=sa.text("''")))
