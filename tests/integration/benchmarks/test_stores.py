"""What the measurer reads of MongoDB must cost the measured nothing to speak of."""

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
    first = await stores.last_written_at(began)
    async with stores.mongo.start_session() as session, await session.start_transaction():
        await stores.documents["users"].insert_one({"_id": "bob"}, session=session)
    second = await stores.last_written_at(began)

    assert first is not None
    assert second is not None
    assert began < first <= second <= datetime.now(UTC) + timedelta(seconds=1)
    assert await stores.last_written_at(datetime.now(UTC) + timedelta(minutes=1)) is None


async def test_a_long_log_is_not_searched_for_a_write_that_is_not_there(stores: Stores) -> None:
    began = datetime.now(UTC)
    await stores.documents["users"].insert_one({"_id": "alice"})
    other = stores.mongo[f"{stores.database}_other"]["users"]
    try:
        await other.insert_many([{"_id": number} for number in range(LATEST_OPERATIONS)])

        assert await stores.last_written_at(began) is None
    finally:
        await stores.mongo.drop_database(other.database.name)
