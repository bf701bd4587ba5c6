import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping

import pytest

from services.query.freshness.version_watch import VersionWatch


class Store:
    """Versions as another replica would change them; counts reads."""

    def __init__(self) -> None:
        self.versions: dict[str, int] = {}
        self.reads: list[set[str]] = []
        self.away = False

    async def read(self, keys: Iterable[str]) -> Mapping[str, int]:
        self.reads.append(set(keys))
        await asyncio.sleep(0.001)
        if self.away:
            raise ConnectionError
        return {key: self.versions[key] for key in keys if key in self.versions}


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
async def watch(store: Store) -> AsyncIterator[VersionWatch]:
    watch = VersionWatch(store.read)
    yield watch
    await watch.close()


async def test_what_is_there_already_is_not_waited_for(store: Store, watch: VersionWatch) -> None:
    store.versions = {"alice": 3}
    started = time.monotonic()

    assert await watch.wait({"alice": 3}, timeout=5) == {}
    assert time.monotonic() - started < 0.5


async def test_progress_of_this_process_is_told_at_once(store: Store, watch: VersionWatch) -> None:
    waiting = asyncio.create_task(watch.wait({"alice": 3, "bob": 1}, timeout=5))
    await asyncio.sleep(0.3)
    watch.advanced({"alice": 4})
    await asyncio.sleep(0)
    assert not waiting.done()

    told = time.monotonic()
    watch.advanced({"bob": 1, "carol": 9})

    assert await waiting == {}
    assert time.monotonic() - told < 0.02


async def test_progress_of_another_replica_is_found(store: Store, watch: VersionWatch) -> None:
    waiting = asyncio.create_task(watch.wait({"alice": 1}, timeout=5))
    await asyncio.sleep(0.05)
    store.versions["alice"] = 1

    assert await asyncio.wait_for(waiting, timeout=1) == {}


async def test_what_did_not_come_in_time_is_named(store: Store, watch: VersionWatch) -> None:
    store.versions = {"alice": 2, "bob": 5}

    assert await watch.wait({"alice": 3, "bob": 5}, timeout=0.05) == {"alice": 3}


async def test_no_time_to_wait_is_still_a_look(store: Store, watch: VersionWatch) -> None:
    store.versions = {"alice": 3}

    assert await watch.wait({"alice": 3}, timeout=0) == {}


async def test_many_who_wait_share_the_reads(store: Store, watch: VersionWatch) -> None:
    waiting = [asyncio.create_task(watch.wait({f"user-{n}": 1}, timeout=5)) for n in range(200)]
    await asyncio.sleep(0.2)
    reads = len(store.reads)
    store.versions = {f"user-{n}": 1 for n in range(200)}

    assert await asyncio.gather(*waiting) == [{}] * 200
    assert reads < 20
    assert max(len(read) for read in store.reads) == 200


async def test_nobody_waiting_reads_nothing(store: Store, watch: VersionWatch) -> None:
    await watch.wait({"alice": 1}, timeout=0.01)
    await asyncio.sleep(0.1)
    reads = len(store.reads)
    await asyncio.sleep(0.15)

    assert len(store.reads) == reads
    assert await watch.wait({}, timeout=5) == {}


async def test_a_store_that_is_away_for_a_while_is_asked_again(store: Store, watch: VersionWatch) -> None:
    store.away = True
    waiting = asyncio.create_task(watch.wait({"alice": 1}, timeout=5))
    await asyncio.sleep(0.05)
    store.versions, store.away = {"alice": 1}, False

    assert await asyncio.wait_for(waiting, timeout=1) == {}


async def test_who_gives_up_leaves_nothing_behind(store: Store, watch: VersionWatch) -> None:
    waiting = asyncio.create_task(watch.wait({"alice": 1}, timeout=5))
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)

    assert not watch._waiters
