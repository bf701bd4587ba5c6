"""What the measurer reads of MongoDB must cost the measured nothing to speak of."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from tests.benchmarks.stores import LATEST_OPERATIONS, Stores, opened


@pytest.fixture
async def stores(postgres_admin_url: str, mongo_admin_url: str) -> AsyncIterator[Stores]:
    name = f"test_stores_{uuid4().hex}"
    async with opened(postgres_admin_url, mongo_admin_url, name) as stores:
        yield stores
        await stores.mongo.drop_database(name)
    admin = await asyncpg.connect(f"{postgres_admin_url.replace('+asyncpg', '').rpartition('/')[0]}/postgres")
    await admin.execute(f'DROP DATABASE "{name}"')
    await admin.close()


async def test_the_last_write_is_told_by_the_log_of_operations(stores: Stores) -> None:
    began = datetime.now(UTC) - timedelta(seconds=1)
    await stores.documents["users"].insert_one({"_id": "alice"})
    first = await stores.last_written_at(began, ["users"])
    async with stores.mongo.start_session() as session, await session.start_transaction():
        await stores.documents["users"].insert_one({"_id": "bob"}, session=session)
    second = await stores.last_written_at(began, ["users"])

    assert first is not None
    assert second is not None
    assert began < first <= second <= datetime.now(UTC) + timedelta(seconds=1)
    assert await stores.last_written_at(datetime.now(UTC) + timedelta(minutes=1), ["users"]) is None


async def test_a_long_log_is_not_searched_for_a_write_that_is_not_there(stores: Stores) -> None:
    began = datetime.now(UTC)
    await stores.documents["users"].insert_one({"_id": "alice"})
    other = stores.mongo[f"{stores.database}_other"]["users"]
    try:
        await other.insert_many([{"_id": number} for number in range(LATEST_OPERATIONS)])

        assert await stores.last_written_at(began, ["users"]) is None
    finally:
        await stores.mongo.drop_database(other.database.name)


async def test_what_is_written_beside_the_read_models_does_not_lengthen_a_drain(stores: Stores) -> None:
    began = datetime.now(UTC) - timedelta(seconds=1)
    await stores.documents["users.g1"].insert_one({"_id": "alice"})
    written = await stores.last_written_at(began, ["users.g1"])
    await asyncio.sleep(0.01)
    for bookkeeping in ("read_models", "users", "users.g10"):
        await stores.documents[bookkeeping].insert_one({"_id": "users"})
    assert written is not None
    assert await stores.last_written_at(began, ["users.g1"]) == written

    await stores.documents["users.g1.details"].insert_one({"_id": "alice"})
    later = await stores.last_written_at(began, ["users.g1", "signup_stats.g1"])
    assert later is not None
    assert later > written
