"""One dead letter for each message, held by the database: what is there twice is merged."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Fingerprints of before did not look at properties and headers. Letters that differ there are different messages, and
# get another one; the rest is one message.
TWICE = """
    CREATE TEMPORARY TABLE twice ON COMMIT DROP AS
    SELECT id,
        first_value(id) OVER same AS kept,
        first_value(id) OVER alike AS first_alike,
        sum(attempts) OVER whole AS attempts,
        max(last_seen) OVER whole AS last_seen,
        min(first_seen) OVER whole AS first_seen
    FROM (
        SELECT id, fingerprint, attempts, first_seen, last_seen, exchange,
            properties - '{expiration,timestamp}'::text[] AS properties,
            headers - '{
                traceparent, tracestate, x-delivery-count, x-acquired-count, x-death,
                x-first-death-exchange, x-first-death-queue, x-first-death-reason,
                x-last-death-exchange, x-last-death-queue, x-last-death-reason,
                dead-letter-reason, dead-letter-detail, dead-letter-queue
            }'::text[] AS headers
        FROM dead_letters
    ) AS letters
    WINDOW alike AS (PARTITION BY fingerprint ORDER BY id),
        whole AS (PARTITION BY fingerprint, exchange, properties, headers),
        same AS (whole ORDER BY id)
"""


def upgrade() -> None:
    # Nobody may bury between the merge and the constraint: the job runs while services work.
    op.execute("LOCK TABLE dead_letters IN SHARE ROW EXCLUSIVE MODE")
    op.execute(TWICE)
    op.execute("DELETE FROM dead_letters USING twice WHERE dead_letters.id = twice.id AND twice.kept <> twice.id")
    op.execute("""
        UPDATE dead_letters
        SET attempts = twice.attempts, first_seen = twice.first_seen, last_seen = twice.last_seen,
            fingerprint = CASE
                WHEN twice.first_alike = twice.id THEN fingerprint
                ELSE sha256(fingerprint || int8send(twice.id))
            END
        FROM twice
        WHERE dead_letters.id = twice.id
    """)
    op.execute("ALTER TABLE dead_letters ADD CONSTRAINT dead_letters_fingerprint_unique UNIQUE (fingerprint)")
    op.execute("DROP INDEX dead_letters_fingerprint")


def downgrade() -> None:
    op.execute("ALTER TABLE dead_letters DROP CONSTRAINT dead_letters_fingerprint_unique")
    op.execute("CREATE INDEX dead_letters_fingerprint ON dead_letters (fingerprint)")
