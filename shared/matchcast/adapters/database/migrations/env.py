"""Alembic's entry: runs the migrations on the connection that `migrate` gives it."""

from alembic import context

from matchcast.adapters.database.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
