"""${message}."""

from alembic import op

revision = "${up_revision}"
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Add only: the release before runs beside this one, and may come back."""
    ${upgrades if upgrades else "pass"}
