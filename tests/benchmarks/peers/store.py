"""What every peer does with a command in PostgreSQL, on the SQLAlchemy ORM: inbox, aggregate, event and outbox in one
transaction.
"""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Identity, UniqueConstraint, create_engine
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

POOL = {"pool_size": 20, "max_overflow": 12}


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    user_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str] = mapped_column(unique=True)
    version: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class Event(Base):
    __tablename__ = "events"
    __table_args__ = (UniqueConstraint("user_id", "version"),)
    position: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    event_id: Mapped[uuid.UUID]
    user_id: Mapped[str]
    version: Mapped[int] = mapped_column(BigInteger)
    type: Mapped[str]
    time: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    causation_id: Mapped[uuid.UUID]
    data: Mapped[dict[str, Any]] = mapped_column(JSONB)


class InboxEntry(Base):
    __tablename__ = "inbox"
    command_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    outcome: Mapped[dict[str, Any]] = mapped_column(JSONB)
    processed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class OutboxEntry(Base):
    __tablename__ = "outbox"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    event: Mapped[dict[str, Any]] = mapped_column(JSONB)


@dataclass(frozen=True)
class Promised:
    """An event to publish, and the outbox row to remove once the broker has confirmed it."""

    outbox_id: int
    event: dict[str, Any]


def record(session: Session, command_id: str, type_: str, body: dict[str, Any]) -> Promised | None:
    """Within a transaction; None for a command that was done before. Raises LookupError for an unknown user."""
    now, id_ = datetime.now(UTC), uuid.UUID(command_id)
    if session.get(InboxEntry, id_) is not None:
        return None
    user = session.get(User, body["user_id"], with_for_update=True)
    if type_ == "CreateUser":
        user = User(user_id=body["user_id"], name=body["name"], email=body["email"], version=1, updated_at=now)
        session.add(user)
        event_type, data = "UserCreated", body
    elif user is not None:
        data = {"user_id": user.user_id, "old_email": user.email, "new_email": body["new_email"]}
        user.email, user.version, user.updated_at = body["new_email"], user.version + 1, now
        event_type = "UserEmailUpdated"
    else:
        raise LookupError("there is no such user")
    event = Event(
        event_id=uuid.uuid4(),
        user_id=user.user_id,
        version=user.version,
        type=event_type,
        time=now,
        causation_id=id_,
        data=data,
    )
    session.add_all([event, InboxEntry(command_id=id_, outcome={"version": user.version}, processed_at=now)])
    outgoing = OutboxEntry(
        event={
            "id": str(event.event_id),
            "type": event_type,
            "aggregateid": user.user_id,
            "aggregateversion": user.version,
            "time": now.isoformat(),
            "causationid": command_id,
            "data": data,
        }
    )
    session.add(outgoing)
    session.flush()
    return Promised(outgoing.id, outgoing.event)


def forget(session: Session, outbox_id: int) -> None:
    """Within a transaction; after the broker has confirmed the event."""
    entry = session.get(OutboxEntry, outbox_id)
    if entry is not None:
        session.delete(entry)


class AsyncStore:
    def __init__(self, url: str) -> None:
        self._sessions = async_sessionmaker(create_async_engine(url, **POOL), expire_on_commit=False)

    async def record(self, command_id: str, type_: str, body: dict[str, Any]) -> Promised | None:
        async with self._sessions.begin() as session:
            return await session.run_sync(record, command_id, type_, body)

    async def forget(self, outbox_id: int) -> None:
        async with self._sessions.begin() as session:
            await session.run_sync(forget, outbox_id)


class SyncStore:
    """For peers that know no asyncio."""

    def __init__(self, url: str) -> None:
        self._sessions = sessionmaker(_sync_engine(url), expire_on_commit=False)

    def record(self, command_id: str, type_: str, body: dict[str, Any]) -> Promised | None:
        with self._sessions.begin() as session:
            return record(session, command_id, type_, body)

    def forget(self, outbox_id: int) -> None:
        with self._sessions.begin() as session:
            forget(session, outbox_id)


def create_tables(url: str) -> None:
    Base.metadata.create_all(_sync_engine(url))


def _sync_engine(url: str) -> Any:
    return create_engine(url.replace("+asyncpg", "+psycopg"), **POOL)
