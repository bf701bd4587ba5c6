"""Documents are the same on both paths, and the fast one leaves to pymongo whatever it can't do."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure

from services.query.metrics import QueryMetrics
from services.query.mongo.client import mongo_client
from services.query.mongo.collections import Collection, Database
from services.query.mongo.document_loader import documents_by_id
from services.query.mongo.primary_reader import PrimaryReader
from services.query.read_model import Document
from shared.messaging.backoff import Backoff
from tests.integration.query.own_mongod import OwnMongod, own_mongod
from tests.support.tcp_proxy import TcpProxy

SOON = Backoff(first=0.01, longest=0.05)
NOW = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
DOCUMENTS: list[Document] = [
    {"_id": f"u{number:03}", "version": number, "time": NOW, "deep": {"list": [1, None, "ж", 2.5, {"a": True}]}}
    for number in range(500)
]


class Reads:
    """How many went which way."""

    def __init__(self) -> None:
        self.metrics = QueryMetrics()

    def of(self, path: str) -> int:
        return int(self.metrics.reads.labels(path)._value.get())


@asynccontextmanager
async def reading(url: str) -> AsyncIterator[tuple[PrimaryReader, AsyncMongoClient[Document], Reads]]:
    reads = Reads()
    async with (
        mongo_client(url) as client,
        PrimaryReader(client, url, backoff=SOON, metrics=reads.metrics) as reader,
    ):
        yield reader, client, reads


async def until(condition: Callable[[], bool], reader: PrimaryReader, collection: Collection) -> None:
    """Reads on until it holds."""
    async with asyncio.timeout(20):
        while not condition():
            await documents_by_id(reader, collection, ["u001"])
            await asyncio.sleep(0.01)


@pytest.fixture
async def filled(database: Database) -> Database:
    await database["documents"].insert_many([dict(each) for each in DOCUMENTS])
    return database


async def test_documents_are_those_of_pymongo(mongo_admin_url: str, filled: Database) -> None:
    async with reading(mongo_admin_url) as (reader, client, reads):
        collection = client[filled.name]["documents"]
        first = await documents_by_id(reader, collection, ["u001", "u002", "nobody"])
        await until(lambda: reads.of("fast") > 0, reader, collection)
        plain = reads.of("plain")
        again = await documents_by_id(reader, collection, ["u001", "u002", "nobody"])
        everybody = await documents_by_id(reader, collection, [each["_id"] for each in DOCUMENTS])
        alone = await documents_by_id(reader, collection, ["u007"])
        nobody = await documents_by_id(reader, collection, ["nobody"])

    assert plain >= 1
    assert reads.of("plain") == plain
    assert first == again == {each["_id"]: each for each in DOCUMENTS[1:3]}
    assert list(everybody.values()) == DOCUMENTS
    assert (alone, nobody) == ({"u007": DOCUMENTS[7]}, {})


async def test_many_at_once_get_each_his_own(mongo_admin_url: str, filled: Database) -> None:
    async with reading(mongo_admin_url) as (reader, client, reads):
        collection = client[filled.name]["documents"]
        await until(lambda: reads.of("fast") > 0, reader, collection)
        impatient = [asyncio.create_task(documents_by_id(reader, collection, [f"u{n:03}"])) for n in range(100)]
        await asyncio.sleep(0)
        for task in impatient:
            task.cancel()
        found = await asyncio.gather(*(documents_by_id(reader, collection, [f"u{n:03}"]) for n in range(500)))

    assert [list(each.values()) for each in found] == [[each] for each in DOCUMENTS]


async def test_what_the_server_refuses_is_refused_as_by_pymongo(mongo_admin_url: str, filled: Database) -> None:
    async with reading(mongo_admin_url) as (reader, client, reads):
        collection = client[filled.name]["documents"]
        await until(lambda: reads.of("fast") > 0, reader, collection)
        with pytest.raises(OperationFailure, match=r"\$nonsense"):
            await reader.find(collection, {"$nonsense": 1})
        before = reads.of("fast")
        await until(lambda: reads.of("fast") > before, reader, collection)


async def test_a_user_with_a_password_reads_and_one_with_a_wrong_one_does_not(
    mongo: AsyncMongoClient[Document], mongo_admin_url: str, filled: Database
) -> None:
    password = "p@ss,=wörd Ⅸ"
    create: dict[str, Any] = {"createUser": "re,a=der", "pwd": password, "roles": ["read"]}
    await filled.command(create | {"mechanisms": ["SCRAM-SHA-256"]})
    place = mongo_admin_url.rpartition("@")[2].partition("/")[0]
    url = f"mongodb://{quote('re,a=der')}:{quote(password)}@{place}/{filled.name}?directConnection=true"
    try:
        async with reading(url) as (reader, client, reads):
            await until(lambda: reads.of("fast") > 0, reader, client[filled.name]["documents"])
        async with mongo_client(url) as client, wrong(client, url) as (reader, reads):
            collection = client[filled.name]["documents"]
            for _ in range(50):
                assert await documents_by_id(reader, collection, ["u001"]) == {"u001": DOCUMENTS[1]}
                await asyncio.sleep(0.01)
            assert (reads.of("fast"), reads.of("plain")) == (0, 50)
    finally:
        await filled.command("dropUser", "re,a=der")


@asynccontextmanager
async def wrong(client: AsyncMongoClient[Document], url: str) -> AsyncIterator[tuple[PrimaryReader, Reads]]:
    """With another password than the client's."""
    reads = Reads()
    reader = PrimaryReader(client, url.replace("w%C3%B6rd", "word"), backoff=SOON, metrics=reads.metrics)
    async with reader:
        yield reader, reads


async def test_a_url_that_asks_for_more_is_read_by_pymongo_alone(mongo_admin_url: str, filled: Database) -> None:
    reads = Reads()
    async with (
        mongo_client(mongo_admin_url) as client,
        PrimaryReader(client, mongo_admin_url + "&tls=true", metrics=reads.metrics) as reader,
    ):
        for _ in range(20):
            assert await documents_by_id(reader, client[filled.name]["documents"], ["u001"]) == {"u001": DOCUMENTS[1]}
            await asyncio.sleep(0.01)

    assert (reads.of("fast"), reads.of("plain")) == (0, 20)


@pytest.fixture
async def mongod(tmp_path: Path) -> AsyncIterator[OwnMongod]:
    async with own_mongod(tmp_path, "--replSet", "rs0") as mongod:
        async with mongo_client(mongod.direct_url) as client:
            await client.admin.command("replSetInitiate", {"_id": "rs0", "members": [{"_id": 0, "host": mongod.host}]})
        async with mongo_client(mongod.url) as client:
            await client["cqrs"]["documents"].insert_many([dict(each) for each in DOCUMENTS])
        yield mongod


async def test_a_server_that_dies_and_comes_back_is_read_again(mongod: OwnMongod) -> None:
    async with reading(mongod.url) as (reader, client, reads):
        collection = client["cqrs"]["documents"]
        await until(lambda: reads.of("fast") > 0, reader, collection)
        await mongod.kill()
        await mongod.start()
        assert await documents_by_id(reader, collection, ["u001"]) == {"u001": DOCUMENTS[1]}
        before = reads.of("fast")
        await until(lambda: reads.of("fast") > before, reader, collection)


async def test_whoever_steps_down_is_asked_no_more(mongod: OwnMongod) -> None:
    async with reading(mongod.url) as (reader, client, reads):
        collection = client["cqrs"]["documents"]
        await until(lambda: reads.of("fast") > 0, reader, collection)
        await client.admin.command("replSetStepDown", 1, force=True)
        assert await documents_by_id(reader, collection, ["u001"]) == {"u001": DOCUMENTS[1]}
        before = reads.of("fast")
        await until(lambda: reads.of("fast") > before, reader, collection)


async def test_a_silent_server_holds_a_question_up_for_seconds_only(mongod: OwnMongod) -> None:
    async with TcpProxy(mongod.port) as proxy:
        url = mongod.direct_url.replace(str(mongod.port), str(proxy.port))
        async with reading(url) as (reader, client, reads):
            collection = client["cqrs"]["documents"]
            await until(lambda: reads.of("fast") > 0, reader, collection)
            proxy.black_hole()
            asked = [asyncio.create_task(documents_by_id(reader, collection, ["u001"])) for _ in range(3)]
            await asyncio.sleep(2.5)
            given_up = reads.of("plain")
            proxy.heal()
            assert await asyncio.gather(*asked) == [{"u001": DOCUMENTS[1]}] * 3
            before = reads.of("fast")
            await until(lambda: reads.of("fast") > before, reader, collection)

    assert given_up >= 3


async def test_what_is_no_mongodb_is_not_believed(mongod: OwnMongod) -> None:
    """A server that lets others in and answers us with nonsense."""
    async with reading(mongod.url) as (reader, client, reads):
        collection = client["cqrs"]["documents"]
        await until(lambda: reads.of("fast") > 0, reader, collection)
        connection = reader._connection
        assert connection is not None
        asked = asyncio.create_task(documents_by_id(reader, collection, ["u001"]))
        await asyncio.sleep(0)
        connection.data_received(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        assert await asked == {"u001": DOCUMENTS[1]}
        assert not connection.is_open
