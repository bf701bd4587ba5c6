"""How Alembic runs the migrations: on the connection that `migrate.py` hands over, in its transaction."""

from alembic import context

from services.command.postgres.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=False,
)
context.run_migrations()
