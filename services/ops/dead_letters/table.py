"""The tables of the command service that tell of dead letters and outcomes, as far as an operator reads them.

They are the command service's (services/command/postgres/tables.py); services never import each other.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

_metadata = MetaData()

dead_letters = Table(
    "dead_letters",
    _metadata,
    Column("id", BigInteger, primary_key=True),
    Column("queue", Text),
    Column("exchange", Text),
    Column("routing_key", Text),
    Column("reason", Text),
    Column("detail", Text),
    Column("type", Text),
    Column("message_id", Text),
    Column("properties", JSONB),
    Column("headers", JSONB),
    Column("body", LargeBinary),
    Column("attempts", Integer),
    Column("first_seen", DateTime(timezone=True)),
    Column("last_seen", DateTime(timezone=True)),
)

inbox = Table("inbox", _metadata, Column("command_id", Uuid, primary_key=True), Column("outcome", JSONB))
