"""Alembic's entry point: migrates the connection it is given, see `database.py`."""

from alembic import context

from descent.store.schema import Base

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Base.metadata, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
