"""The connection to MongoDB."""

from typing import Any

from pymongo import AsyncMongoClient

from services.query.mongo.collections import Database
from services.query.read_model import Document

DEFAULT_DATABASE = "cqrs"
SELECT_SERVER_MS = 3_000
OPERATION_MS = 10_000
CONNECT_MS = 3_000


def mongo_client(url: str, **options: Any) -> AsyncMongoClient[Document]:
    """A client whose writes are safe on a majority, whose operations end in 10 s, and whose datetimes are aware.

    Connects with its first operation. Raises PyMongoError for a URL that makes no sense.
    """
    return AsyncMongoClient(
        url,
        **{
            "appname": "query-service",
            "w": "majority",
            "retryWrites": True,
            "retryReads": True,
            "tz_aware": True,
            "uuidRepresentation": "standard",
            "serverSelectionTimeoutMS": SELECT_SERVER_MS,
            "connectTimeoutMS": CONNECT_MS,
            "timeoutMS": OPERATION_MS,
            **options,
        },
    )


def database_of(client: AsyncMongoClient[Document]) -> Database:
    """The database that the client's URL names, or `cqrs`."""
    return client.get_default_database(DEFAULT_DATABASE)
