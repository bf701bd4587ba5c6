"""Ids of commands and events: UUIDs of asyncpg's class, which are made, printed and stored in C.

They are `uuid.UUID`s, equal to those of Python's own making, which take a microsecond for each of these steps.
"""

from uuid import UUID

import uuid_utils
from asyncpg.pgproto import pgproto


def new_id() -> UUID:
    """A new one of version 7: later ones are greater, which keeps indexes dense."""
    return pgproto.UUID(uuid_utils.uuid7().bytes)


def read_id(text: str) -> UUID:
    """Raises ValueError for what is no UUID, with its hyphens or without."""
    return pgproto.UUID(text)
