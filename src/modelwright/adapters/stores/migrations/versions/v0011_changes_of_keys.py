"""In which order keys were changed, so that a large set of them need not be read again for every change."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Keys made before count as unchanged."""
    op.add_column("keys", sa.Column("changed", sa.BigInteger, nullable=False, server_default=sa.text("0")))
    op.create_index("keys_name", "keys", ["name"])
    op.create_index("keys_changed", "keys", ["changed"])
    few = sa.text("role = 'admin'")
    op.create_index("keys_admins", "keys", ["role"], sqlite_where=few, postgresql_where=few)
