"""Alembic's entry: migrate the connection that :meth:`cygnet.archive.database.Database.migrate` hands over."""

from alembic import context

from cygnet.archive.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
