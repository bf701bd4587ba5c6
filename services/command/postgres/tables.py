"""The tables as SQLAlchemy Core knows them. What makes them is in `migrations/`; a test holds that both agree."""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    FetchedValue,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import UserDefinedType


class XID8(UserDefinedType[str]):
    """A transaction's id that never wraps around (https://www.postgresql.org/docs/current/datatype-oid.html)."""

    cache_ok = True

    def get_col_spec(self, **_options: object) -> str:
        return "xid8"


metadata = MetaData()

users = Table(
    "users",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("email_key", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    # Deferrable, hence checked at the end of a statement: two users of a batch may swap their addresses.
    UniqueConstraint("email_key", name="users_email_key_unique", deferrable=True, initially="IMMEDIATE"),
)

events = Table(
    "events",
    metadata,
    Column("position", BigInteger, primary_key=True, server_default=FetchedValue()),
    Column("event_id", Uuid, nullable=False),
    Column("aggregate_type", Text, nullable=False),
    # In the order of bytes, which is MongoDB's: log and read model can be read side by side.
    Column("aggregate_id", Text(collation="C"), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("schema_version", Integer, nullable=False),
    Column("time", DateTime(timezone=True), nullable=False),
    Column("data", JSONB, nullable=False),
    Column("correlation_id", Text),
    Column("causation_id", Uuid),
    Column("actor", Text),
    # `position` is not the order of commits: see services/command/settled_position.py.
    Column("transaction_id", XID8, nullable=False, server_default=FetchedValue()),
    UniqueConstraint("aggregate_type", "aggregate_id", "version", name="events_version_unique"),
)

inbox = Table(
    "inbox",
    metadata,
    Column("command_id", Uuid, primary_key=True),
    Column("content_hash", LargeBinary, nullable=False),
    Column("outcome", JSONB, nullable=False),
    Column("processed_at", DateTime(timezone=True), nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, primary_key=True, server_default=FetchedValue()),
    Column("ordering_key", Text),
    Column("exchange", Text, nullable=False),
    Column("routing_key", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=FetchedValue()),
    Index("outbox_ordering_key", "ordering_key"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", BigInteger, primary_key=True, server_default=FetchedValue()),
    Column("queue", Text, nullable=False),
    Column("exchange", Text, nullable=False),
    Column("routing_key", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("type", Text),
    Column("message_id", Text),
    Column("properties", JSONB, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("first_seen", DateTime(timezone=True), nullable=False),
    Column("last_seen", DateTime(timezone=True), nullable=False),
    UniqueConstraint("fingerprint", name="dead_letters_fingerprint_unique"),
)
