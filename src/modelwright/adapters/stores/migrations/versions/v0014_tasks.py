"""Calls that are left to be made later."""

import sqlalchemy as sa
from alembic import op

from modelwright.adapters.stores.tables import Text

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Make the tables of tasks and of their bodies."""
    op.create_table(
        "tasks",
        sa.Column("id", Text, primary_key=True),
        sa.Column("tenant", Text, nullable=False),
        sa.Column("owner", Text, nullable=False),
        sa.Column("status", Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("due", sa.Double),
        sa.Column("ended", sa.Double),
        sa.Column("idempotency", Text, nullable=False),
        sa.Column("task", sa.LargeBinary, nullable=False),
    )
    op.create_index("tasks_due", "tasks", ["status", "due"])
    op.create_index("tasks_tenant", "tasks", ["tenant", "owner", "id"])
    op.create_index("tasks_ended", "tasks", ["ended"])
    given = sa.text("idempotency <> ''")
    columns = ["tenant", "owner", "idempotency"]
    op.create_index("tasks_idempotency", "tasks", columns, unique=True, sqlite_where=given, postgresql_where=given)
    op.create_table(
        "task_contents",
        sa.Column("task", Text, primary_key=True),
        sa.Column("part", Text, primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
