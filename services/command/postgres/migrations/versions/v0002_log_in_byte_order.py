"""Aggregates of the log in the order of their ids' bytes: that of MongoDB, so that both can be read side by side."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Only the index is built anew; the rows stay as they are.
    op.execute('ALTER TABLE events ALTER COLUMN aggregate_id TYPE text COLLATE "C"')


def downgrade() -> None:
    op.execute('ALTER TABLE events ALTER COLUMN aggregate_id TYPE text COLLATE "default"')
