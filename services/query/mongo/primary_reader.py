"""Documents by id, past pymongo where that can be."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Protocol, Self

import structlog
from pymongo import AsyncMongoClient
from pymongo.errors import AutoReconnect, ConnectionFailure
from pymongo.topology_description import TopologyDescription

from services.query.cancelled import cancelled
from services.query.metrics import QueryMetrics
from services.query.mongo.collections import Collection
from services.query.mongo.wire.connection import RefusedError, WireConnection
from services.query.mongo.wire.server import Address, Credentials, UnreadableUrlError, credentials_of, primary_of
from services.query.read_model import Document
from shared.messaging.backoff import Backoff

CONNECT_SECONDS: Final = 2.0
LASTING_SECONDS: Final = 10.0
MOST: Final = 501
NAME: Final = "query-service reads"

logger = structlog.stdlib.get_logger(__name__)


class Reader(Protocol):
    async def find(self, collection: Collection, wanted: Mapping[str, Any]) -> Sequence[Document]:
        """What matches, MOST at most. Raises PyMongoError."""
        ...


class PymongoReader:
    async def find(self, collection: Collection, wanted: Mapping[str, Any]) -> Sequence[Document]:
        try:
            # A plain command: a third less of the CPU that a cursor takes in this process.
            reply = await collection.database.command(
                _command(collection, wanted), codec_options=collection.codec_options
            )
        except ConnectionFailure:  # a cursor's read is tried again with the next primary
            return await collection.find(wanted, batch_size=MOST).to_list()
        documents: Sequence[Document] = reply["cursor"]["firstBatch"]
        return documents


class PrimaryReader:
    """`async with PrimaryReader(client, url) as reader`. Asks the primary on a connection of its own: a question takes
    a quarter of what it takes by pymongo.

    pymongo says which server is the primary, and answers itself when anything is not as usual: while there is no
    connection, after an error, and always for a URL that asks for more than a user and a password.
    """

    def __init__(
        self, client: AsyncMongoClient[Document], url: str, *, backoff: Backoff | None = None, metrics: QueryMetrics
    ) -> None:
        self._client = client
        self._backoff = backoff or Backoff()
        self._otherwise = PymongoReader()
        self._reads = metrics.reads
        self._topology: TopologyDescription | None = None
        self._primary: Address | None = None
        self._connection: WireConnection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._opened_at = 0.0
        self._attempt = 0
        self._trouble: str | None = None
        self._credentials: Credentials | None = None
        try:
            self._credentials, self._may_connect = credentials_of(url), True
        except UnreadableUrlError as error:
            self._may_connect = False
            logger.info("reads go by pymongo", reason=f"the URL of MongoDB asks for {error}")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._may_connect = False
        if self._connecting is not None:
            await cancelled(self._connecting)
        self._drop()

    async def find(self, collection: Collection, wanted: Mapping[str, Any]) -> Sequence[Document]:
        if (connection := self._current()) is not None:
            with suppress(AutoReconnect):
                command = _command(collection, wanted) | {"$db": collection.database.name}
                answer = await connection.ask(command, collection.codec_options)
                if answer["ok"] == 1:
                    self._reads.labels("fast").inc()
                    documents: Sequence[Document] = answer["cursor"]["firstBatch"]
                    return documents
                logger.info("MongoDB refused a read", reason=answer.get("codeName"))
                self._drop()
        self._reads.labels("plain").inc()
        return await self._otherwise.find(collection, wanted)

    def _current(self) -> WireConnection | None:
        """The connection to the primary; without one it is made, for those who ask later."""
        topology = self._client.topology_description
        if topology is not self._topology:
            self._topology = topology
            primary = primary_of(topology)
            if primary != self._primary:
                self._drop()
            self._primary = primary
        if self._connection is not None and self._connection.is_open:
            return self._connection
        if self._may_connect and self._primary is not None and (self._connecting is None or self._connecting.done()):
            self._connecting = asyncio.create_task(self._connect(self._primary), name="connect to the primary")
        return None

    async def _connect(self, primary: Address) -> None:
        lasted = time.monotonic() - self._opened_at > LASTING_SECONDS
        self._attempt = 0 if lasted and self._trouble is None else self._attempt + 1
        await asyncio.sleep(self._backoff.delay(self._attempt) if self._attempt else 0)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                connection = await WireConnection.open(primary, self._credentials, name=NAME)
        except (OSError, TimeoutError, AutoReconnect, RefusedError) as error:
            self._report(f"{type(error).__name__}: {error}")
            return
        self._opened_at = time.monotonic()
        self._report(None)
        self._connection = connection
        if self._primary != primary:
            self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _report(self, trouble: str | None) -> None:
        if trouble is not None and trouble != self._trouble:
            logger.warning("no connection of our own to MongoDB", reason=trouble)
        self._trouble = trouble


def _command(collection: Collection, wanted: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "find": collection.name,
        "filter": wanted,
        "singleBatch": True,
        "batchSize": MOST,
        "readConcern": collection.read_concern.document,
    }
