"""The servers that tests are given are real, reachable by their administrators, and by nobody else."""

import aio_pika
import aiohttp
import asyncpg
import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure

from shared.messaging.opening import open_connection


async def test_the_broker_lets_its_administrator_in_and_no_guest(amqp_admin_url: str) -> None:
    async with await open_connection(amqp_admin_url):
        pass
    guest = amqp_admin_url.partition("@")[2]
    with pytest.raises(aio_pika.exceptions.AMQPConnectionError):
        await open_connection(f"amqp://guest:guest@{guest}")


async def test_the_broker_has_the_exchange_types_that_share_out_commands(rabbitmq_api_url: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{rabbitmq_api_url}/api/overview") as response:
        overview = await response.json()
    assert {"x-consistent-hash", "x-modulus-hash"} <= {kind["name"] for kind in overview["exchange_types"]}


async def test_postgresql_keeps_what_it_commits(postgres_admin_url: str) -> None:
    connection = await asyncpg.connect(postgres_admin_url.replace("+asyncpg", ""))
    try:
        assert await connection.fetchval("SHOW fsync") == "on"
        assert await connection.fetchval("SHOW synchronous_commit") == "on"
    finally:
        await connection.close()


async def test_mongodb_is_a_replica_set_that_asks_for_a_password(mongo_admin_url: str) -> None:
    async with AsyncMongoClient[dict[str, object]](mongo_admin_url) as client:
        assert (await client.admin.command("hello"))["isWritablePrimary"]
    if "@" in mongo_admin_url:
        nobody = "mongodb://" + mongo_admin_url.partition("@")[2].replace("&authSource=admin", "")
        async with AsyncMongoClient[dict[str, object]](nobody) as client:
            with pytest.raises(OperationFailure):
                await client.admin.command("listDatabases")
