"""The connection to MongoDB."""

from typing import Any

from pymongo import AsyncMongoClient

from services.query.mongo.collections import Database
from services.query.read_model import Document

DEFAULT_DATABASE = "cqrs"
SELECT_SERVER_MS = 2_000
CONNECT_MS = 2_000
SOCKET_MS = 5_000
NO_LIMIT = 0


def mongo_client(url: str, **options: Any) -> AsyncMongoClient[Document]:
    """A client whose writes are safe on a majority, that reads nothing less safe, and whose datetimes are aware.

    What a majority does not have yet may be rolled back: answered, it would make a version go back that somebody has
    seen; taken for a duplicate by a projector, it would lose the event.

    An operation fails after 2 s without a server, and after 5 s when one is there and silent (a retry comes on top).
    Connects with its first operation. Raises PyMongoError for a URL that makes no sense.
    """
    return AsyncMongoClient(
        url,
        **{
            "appname": "query-service",
            "w": "majority",
            "readConcernLevel": "majority",
            "retryWrites": True,
            "retryReads": True,
            "tz_aware": True,
            "uuidRepresentation": "standard",
            "serverSelectionTimeoutMS": SELECT_SERVER_MS,
            "connectTimeoutMS": CONNECT_MS,
            "socketTimeoutMS": SOCKET_MS,
            **options,
        },
    )


def unretried_client(url: str) -> AsyncMongoClient[Document]:
    """The same, but a write that failed on its way is not tried again by the driver: for writes that are guarded by
    themselves, whose writer reads and writes anew.

    MongoDB keeps a record of each write that a driver may repeat, in a table of its own: for updates one by one, which
    is a quarter of what they cost it.
    """
    return mongo_client(url, retryWrites=False)


def database_of(client: AsyncMongoClient[Document]) -> Database:
    """The database that the client's URL names, or `cqrs`."""
    return client.get_default_database(DEFAULT_DATABASE)
