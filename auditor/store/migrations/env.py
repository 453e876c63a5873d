"""Runs migrations on the connection, and in the transaction, that auditor/store/schema.py hands over."""

from alembic import context

from auditor.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # of SQLite too: the driver begins no transaction of its own
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
