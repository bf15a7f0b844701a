"""Alembic runs this file: it hands the connection that it was given, and the tables, to the migrations."""

from alembic import context

from modelwright.adapters.stores.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transaction_per_migration=False,
)
context.run_migrations()
