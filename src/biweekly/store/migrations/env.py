"""Edge: database. Alembic's entry: run the revisions on the connection that `upgrade` handed over."""

from alembic import context

from biweekly.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    transaction_per_migration=False,
)
context.run_migrations()
