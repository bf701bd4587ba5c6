"""What changed since a moment, as a subscription that comes back asks for it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from bson import Timestamp

from services.query.live.change_feed import ChangeFeed, HistoryLostError, Missed
from services.query.metrics import QueryMetrics
from services.query.mongo.collections import Collection, Database

NAMES = ["alice", "bob", "carol"]


@pytest.fixture
async def feed(database: Database) -> AsyncIterator[ChangeFeed]:
    feed = ChangeFeed(database, list, changed=lambda _: None, missed=lambda: None, metrics=QueryMetrics())
    yield feed
    await feed.close()


@pytest.fixture
def users(database: Database) -> Collection:
    return database["users.g1"]


async def in_one_transaction(users: Collection, names: list[str]) -> None:
    async with users.database.client.start_session() as session, await session.start_transaction():
        for name in names:
            await users.insert_one({"_id": name}, session=session)


def keys(missed: Missed) -> list[str]:
    return [change.key for change in missed.changes]


async def test_a_transaction_that_is_the_last_write_is_there_as_a_whole(feed: ChangeFeed, users: Collection) -> None:
    before = await feed.now()
    await in_one_transaction(users, NAMES)

    missed = await feed.since(before, users.name, 10)
    again = await feed.since(missed.changes[0].moment, users.name, 10)

    assert keys(missed) == keys(again) == NAMES
    assert {change.moment for change in missed.changes} == {missed.changes[0].moment}
    assert missed.up_to >= missed.changes[0].moment


async def test_nothing_has_been_missed_since_now(feed: ChangeFeed, users: Collection) -> None:
    await in_one_transaction(users, NAMES)
    now = await feed.now()

    missed = await feed.since(Timestamp(now.time, now.inc + 1), users.name, 10)

    assert keys(missed) == []


async def test_what_is_written_is_in_what_is_missed_since_before(feed: ChangeFeed, users: Collection) -> None:
    """Over and over, since it is the last write that is easily forgotten."""
    for number in range(10):
        before = await feed.now()
        await users.insert_one({"_id": str(number)})

        missed = await feed.since(Timestamp(before.time, before.inc + 1), users.name, 10)

        assert keys(missed) == [str(number)]


async def test_more_than_is_wanted_and_a_moment_that_is_not_yet_are_lost(feed: ChangeFeed, users: Collection) -> None:
    before = await feed.now()
    await in_one_transaction(users, NAMES)

    with pytest.raises(HistoryLostError, match="more than 2"):
        await feed.since(before, users.name, 2)
    with pytest.raises(HistoryLostError, match="future"):
        await feed.since(Timestamp(before.time + 3600, 1), users.name, 10)


async def test_a_feed_ends_at_once_whenever_it_is_told_to(feed: ChangeFeed) -> None:
    for number in range(20):
        await feed.opened()
        await asyncio.sleep(number / 1000)
        async with asyncio.timeout(10):
            await feed.close()
        assert not feed.is_open
