"""Users, their events, and the tables that keep the promises: inbox, outbox, dead letters."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Rows of the outbox live for milliseconds: left to its defaults, autovacuum comes when the index has long gone slow.
SHORT_LIVED = "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE users (
            user_id text PRIMARY KEY,
            name text NOT NULL,
            email text NOT NULL,
            email_key text NOT NULL CONSTRAINT users_email_key_unique UNIQUE DEFERRABLE INITIALLY IMMEDIATE,
            status text NOT NULL CHECK (status IN ('active', 'deactivated')),
            version bigint NOT NULL CHECK (version > 0),
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL
        )
    """)
    op.execute("""
        CREATE TABLE events (
            position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            event_id uuid NOT NULL,
            aggregate_type text NOT NULL,
            aggregate_id text NOT NULL,
            version bigint NOT NULL CHECK (version > 0),
            type text NOT NULL,
            schema_version integer NOT NULL,
            time timestamptz NOT NULL,
            data jsonb NOT NULL,
            correlation_id text,
            causation_id uuid,
            actor text,
            transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
            CONSTRAINT events_version_unique UNIQUE (aggregate_type, aggregate_id, version)
        )
    """)
    op.execute("""
        CREATE TABLE inbox (
            command_id uuid PRIMARY KEY,
            content_hash bytea NOT NULL,
            outcome jsonb NOT NULL,
            processed_at timestamptz NOT NULL
        )
    """)
    op.execute(f"""
        CREATE TABLE outbox (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            ordering_key text,
            exchange text NOT NULL,
            routing_key text NOT NULL,
            message_id text NOT NULL,
            type text NOT NULL,
            content_type text NOT NULL,
            headers jsonb NOT NULL,
            body bytea NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now()
        ) WITH ({SHORT_LIVED})
    """)
    op.execute("CREATE INDEX outbox_ordering_key ON outbox (ordering_key, id)")
    op.execute("""
        CREATE TABLE dead_letters (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            queue text NOT NULL,
            exchange text NOT NULL,
            routing_key text NOT NULL,
            reason text NOT NULL,
            detail text NOT NULL,
            type text,
            message_id text,
            properties jsonb NOT NULL,
            headers jsonb NOT NULL,
            body bytea NOT NULL,
            fingerprint bytea NOT NULL,
            attempts integer NOT NULL,
            first_seen timestamptz NOT NULL,
            last_seen timestamptz NOT NULL
        )
    """)
    op.execute("CREATE INDEX dead_letters_fingerprint ON dead_letters (fingerprint)")


def downgrade() -> None:
    op.execute("DROP TABLE dead_letters, outbox, inbox, events, users")
