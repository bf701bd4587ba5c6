"""Who may do what in the database: the service writes but can't change the past, operators read and clear up."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

SERVICE = "command"
OPERATOR = "ops"

# Passwords travel as parameters and are quoted by the server.
LOGIN = text("SELECT set_config('cqrs.role', :role, true), set_config('cqrs.password', :password, true)")
SAVE_ROLE = text("""
    DO $$
    BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = current_setting('cqrs.role')) THEN
            EXECUTE format('CREATE ROLE %I', current_setting('cqrs.role'));
        END IF;
        EXECUTE format(
            'ALTER ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD %L',
            current_setting('cqrs.role'), current_setting('cqrs.password')
        );
    END $$
""")
OWN_DATABASE = text("""
    DO $$
    BEGIN
        EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO command, ops', current_database());
    END $$
""")
GRANTS = (
    "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    "GRANT USAGE ON SCHEMA public TO command, ops",
    "GRANT SELECT, INSERT, UPDATE ON users TO command",
    "GRANT SELECT, INSERT ON events, inbox TO command",
    "GRANT SELECT, INSERT, DELETE ON outbox TO command",
    "GRANT SELECT, INSERT, UPDATE ON dead_letters TO command",
    "GRANT SELECT ON alembic_version TO command",
    "GRANT SELECT ON ALL TABLES IN SCHEMA public TO ops",
    "GRANT UPDATE, DELETE ON dead_letters TO ops",
)


async def save_role(connection: AsyncConnection, role: str, password: str) -> None:
    """Makes the role, or gives it this password. Roles belong to the whole server, not to one database."""
    await connection.execute(LOGIN, {"role": role, "password": password})
    await connection.execute(SAVE_ROLE)


async def grant(connection: AsyncConnection) -> None:
    """Gives both roles their rights on the tables of this database."""
    await connection.execute(OWN_DATABASE)
    for statement in GRANTS:
        await connection.execute(text(statement))
