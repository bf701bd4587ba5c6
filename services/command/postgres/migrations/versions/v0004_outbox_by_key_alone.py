"""The index for what was promised before of a key is for that alone.

With `id` behind the key it could also be gone along by ids: all of it for each id. While the outbox was empty that
looked cheapest, and a statement planned then kept its plan; clearing then took more than a third of PostgreSQL's CPU.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DROP INDEX outbox_ordering_key")
    op.execute("CREATE INDEX outbox_ordering_key ON outbox (ordering_key)")


def downgrade() -> None:
    op.execute("DROP INDEX outbox_ordering_key")
    op.execute("CREATE INDEX outbox_ordering_key ON outbox (ordering_key, id)")
