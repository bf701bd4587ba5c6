import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from services.query.domain_event import DomainEvent
from services.query.mongo.collections import Database
from services.query.rebuild.jobs import JobLostError, JobRunningError
from shared.contracts.control.projections import (
    CancelProjectionJob,
    PruneProjection,
    RebuildProjection,
    RollBackProjection,
)
from tests.integration.query.rebuild_scene import FOLDED, Process, ok, refused, until
from tests.unit.query.fake_log_reader import FakeLogReader
from tests.unit.query.given_events import created, deactivated, email_updated, event, reactivated, renamed

USERS = [f"user-{number:02}" for number in range(20)]
NewProcess = Callable[..., Process]


def history() -> list[DomainEvent]:
    """Interleaved, as they happen."""
    events = [created(user) for user in USERS]
    events += [renamed(user, 2, f"New {user}") for user in USERS[::2]]
    events += [deactivated(user, 3) for user in USERS[::4]]
    events += [reactivated(user, 4) for user in USERS[::8]]
    return [*events, email_updated(USERS[1], 2, "Other@example.com")]


@pytest.fixture
def log() -> FakeLogReader:
    return FakeLogReader(history())


@pytest.fixture
async def new_process(database: Database, log: FakeLogReader) -> AsyncIterator[NewProcess]:
    async with AsyncExitStack() as stack:

        def new(**settings: float) -> Process:
            process = Process(database, log, **settings)
            stack.push_async_callback(process.close)
            return process

        yield new


@pytest.fixture
async def process(new_process: NewProcess, log: FakeLogReader) -> Process:
    """One that has projected all of the log."""
    process = new_process()
    await process.project(*log.events)
    return process


@pytest.mark.parametrize("model", FOLDED)
async def test_a_new_generation_equals_the_old_one_and_takes_its_place(process: Process, model: str) -> None:
    before = await process.content(model)

    async with process.working():
        job = await process.rebuild(model)

    assert (job["state"], job["error"], job["report"]["differences"]) == ("done", None, 0)
    assert process.collections.generations(model).live == 2
    assert await process.content(model) == before == await process.content(model, 1)
    assert before[0].keys() == set(USERS)


async def test_a_new_generation_has_the_indexes_of_its_model(process: Process) -> None:
    async with process.working():
        await process.rebuild("users")

    old = await process.collections.generation("users", 1).index_information()
    assert await process.collections.generation("users", 2).index_information() == old
    assert len(old) > 1


async def test_documents_that_are_wrong_are_right_in_the_new_generation(process: Process) -> None:
    right = await process.content("signup_stats")
    live = process.collections.live("signup_stats")
    await live.delete_one({"_id": USERS[0]})
    await live["details"].delete_many({})

    async with process.working():
        await process.rebuild("signup_stats")

    assert await process.content("signup_stats") == right


async def test_an_empty_log_makes_an_empty_generation(database: Database) -> None:
    process = Process(database, FakeLogReader())
    async with process.working():
        job = await process.rebuild()

    assert (job["state"], await process.content()) == ("done", ({}, []))
    await process.close()


@pytest.mark.parametrize("model", FOLDED)
async def test_events_that_come_meanwhile_are_in_it_exactly_once(
    process: Process, new_process: NewProcess, log: FakeLogReader, model: str
) -> None:
    """Projected live by two processes, one of which hardly ever looks into the catalogue."""
    log.page_size = 100
    slow = new_process()
    done = asyncio.Event()

    async def live() -> int:
        version = 10
        while not done.is_set():
            version += 1
            for number, user in enumerate(["busy", USERS[3]]):
                first = created(user) if user == "busy" and version == 11 else None
                standing = version - 10 if user == "busy" else version - 9
                happened = first or renamed(user, standing, f"Name {version}")
                (logged,) = log.append(happened)
                await (process if (version + number) % 2 else slow).live(model).projection.apply([logged])
            await asyncio.sleep(0.02)
        return version

    async with process.working():
        writing = asyncio.create_task(live())
        job = await process.rebuild(model)
        await asyncio.sleep(0.05)
        done.set()
        version = await writing

    assert job["state"] == "done", job["error"]
    documents, details = await process.content(model)
    assert (documents["busy"]["version"], documents[USERS[3]]["version"]) == (version - 10, version - 9)
    fresh = Process(process.collections.database.client[f"{process.collections.database.name}_x"], log)
    await fresh.project(*log.events)
    assert (documents, details) == await fresh.content(model)
    await fresh.close()
    await process.collections.database.client.drop_database(f"{process.collections.database.name}_x")


async def test_no_version_that_somebody_saw_goes_back(
    process: Process, new_process: NewProcess, log: FakeLogReader
) -> None:
    """Readers of several processes, each with its own view of which generation is live, share what they have seen."""
    log.page_size = 100
    readers = [new_process() for _ in range(3)]
    done = asyncio.Event()
    seen = 0
    read_from: set[str] = set()

    async def read() -> None:
        nonlocal seen
        while not done.is_set():
            for reader in readers:
                await reader.collections.refresh_when_old()
                live = reader.collections.live("users")
                least = seen
                document = await live.find_one({"_id": "busy"})
                read_from.add(live.name)
                if document is not None and reader.collections.is_fresh:
                    assert document["version"] >= least, live.name
                    seen = max(seen, document["version"])

    async def write() -> None:
        (first,) = log.append(created("busy"))
        await process.live("users").projection.apply([first])
        version = 1
        while not done.is_set():
            version += 1
            (logged,) = log.append(renamed("busy", version, f"Name {version}"))
            await process.live("users").projection.apply([logged])
            await asyncio.sleep(0.01)

    async with process.working():
        tasks = [asyncio.create_task(work()) for work in (read, write)]
        job = await process.rebuild()
        await asyncio.sleep(0.3)
        done.set()
        await asyncio.gather(*tasks)

    assert (job["state"], read_from) == ("done", {"users.g1", "users.g2"})
    assert seen > 10


async def test_a_process_that_slept_through_the_change_writes_to_the_new_generation(
    process: Process, new_process: NewProcess, log: FakeLogReader
) -> None:
    sleeper = new_process()
    await sleeper.collections.refresh()
    async with process.working():
        await process.rebuild()
    (logged,) = log.append(renamed(USERS[0], 5, "Woken"))

    await sleeper.live("users").projection.apply([logged])

    documents, _ = await process.content()
    assert (documents[USERS[0]]["version"], documents[USERS[0]]["name"]) == (5, "Woken")


# Broken off


@pytest.mark.parametrize("pages", range(1, 22, 2))
async def test_a_rebuild_that_dies_anywhere_is_finished_by_another_process(
    process: Process, new_process: NewProcess, log: FakeLogReader, database: Database, pages: int
) -> None:
    before = await process.content("signup_stats")
    dying = Process(database, FakeLogReader())
    dying.log.events = log.events

    async def die() -> None:
        dying.log.away_after = pages
        async with dying.working():
            await until(lambda: _gone(dying, pages))

    ok(await process.controls.rebuild(RebuildProjection(model="signup_stats")))
    await die()
    assert (await process.jobs.of("signup_stats") or {})["state"] == "running"
    async with process.working():
        job = await process.ended("signup_stats")

    assert (job["state"], job["report"]["differences"]) == ("done", 0)
    assert await process.content("signup_stats") == before
    await dying.close()


async def _gone(process: Process, pages: int) -> bool:
    return process.log.pages > pages


async def test_a_rebuild_waits_while_the_log_is_away(process: Process, log: FakeLogReader) -> None:
    log.away_after = log.pages + 2
    async with process.working():
        ok(await process.controls.rebuild(RebuildProjection(model="users")))
        await until(lambda: _gone(process, log.away_after or 0))
        await asyncio.sleep(0.1)
        log.away_after = None
        job = await process.ended()

    assert job["state"] == "done"


async def test_who_has_lost_a_job_writes_nothing_of_it_any_more(process: Process, new_process: NewProcess) -> None:
    ok(await process.controls.rebuild(RebuildProjection(model="users")))
    late = await process.jobs.claim()
    assert late is not None
    await asyncio.sleep(process.jobs.lease * 1.5)
    assert await new_process().jobs.claim() is not None

    with pytest.raises(JobLostError):
        await process.jobs.save(late, phase="filling")


async def test_a_cancelled_rebuild_leaves_the_live_generation_as_it_is(process: Process, log: FakeLogReader) -> None:
    log.away_after = log.pages + 3
    async with process.working():
        ok(await process.controls.rebuild(RebuildProjection(model="users")))
        await until(lambda: _gone(process, log.away_after or 0))
        ok(await process.controls.cancel(CancelProjectionJob(model="users")))
        job = await process.ended()
        log.away_after = None
        pruned = ok(await process.controls.prune(PruneProjection(model="users")))

    assert (job["state"], process.collections.generations("users").live, pruned.generations) == ("cancelled", 1, [2])
    assert "nothing is under way" in refused(await process.controls.cancel(CancelProjectionJob(model="users")))


async def test_one_work_at_a_time_on_a_model(process: Process) -> None:
    first = ok(await process.controls.rebuild(RebuildProjection(model="users")))
    again = ok(await process.controls.rebuild(RebuildProjection(model="users")))

    assert (again.target, again.state) == (first.target, "running")
    with pytest.raises(JobRunningError):
        await process.jobs.start("users", "verify")
    assert "rebuild is under way" in refused(await process.controls.prune(PruneProjection(model="users")))


# What can't be projected


async def test_aggregates_that_are_parked_already_stop_no_rebuild(process: Process, log: FakeLogReader) -> None:
    await process.project(*log.append(event("UserRenamed", USERS[2], 3, new_name=7)))
    async with process.working():
        job = await process.rebuild()

    assert job["state"] == "done", job["error"]
    parked = await process.collections.parked.find({"aggregate_id": USERS[2], "model": {"$regex": "^users"}}).to_list()
    assert {entry["model"] for entry in parked} == {"users", "users.g1"}
    log.events[-1] = renamed(USERS[2], 3, "Right")
    assert await process.live("users").projection.heal(USERS[2]) is None
    assert (await process.content())[0][USERS[2]]["version"] == 3


async def test_what_can_be_projected_now_is_not_given_up_for_a_rebuild(process: Process, log: FakeLogReader) -> None:
    """The log holds an event that this code can't read, and the live generation a document that goes on after it."""
    log.events[0] = event("UserCreated", USERS[0], 1, name=7)
    log.events[0].envelope.__dict__["position"] = 1
    async with process.working():
        job = await process.rebuild()

    assert job["state"] == "failed"
    assert USERS[0] in job["error"]
    assert process.collections.generations("users").live == 1
    assert process.collections.generations("users").beside is None


# There and back


async def test_going_back_brings_the_old_generation_up_to_date(process: Process, log: FakeLogReader) -> None:
    async with process.working():
        await process.rebuild("user_history")
        await process.project(*log.append(renamed(USERS[0], 5, "Later"), created("newcomer")))
        before = await process.content("user_history")
        ok(await process.controls.roll_back(RollBackProjection(model="user_history")))
        job = await process.ended("user_history")

    assert (job["state"], process.collections.generations("user_history").live) == ("done", 1)
    assert await process.content("user_history") == before
    assert before[0]["newcomer"]["version"] == 1


async def test_pruning_drops_what_is_not_live(process: Process) -> None:
    async with process.working():
        await process.rebuild("user_history")
        await process.rebuild("user_history")
        pruned = ok(await process.controls.prune(PruneProjection(model="user_history")))

    names = await process.collections.database.list_collection_names()
    assert pruned.generations == [1, 2]
    assert {name for name in names if name.startswith("user_history")} == {"user_history.g3", "user_history.g3.details"}
    message = refused(await process.controls.roll_back(RollBackProjection(model="user_history")))
    assert "no generation before 3" in message


async def test_what_is_no_fold_can_not_be_rebuilt(process: Process) -> None:
    message = refused(await process.controls.rebuild(RebuildProjection(model="command_status")))
    assert "not a fold of the event log" in message
    message = refused(await process.controls.rebuild(RebuildProjection(model="nonsense")))
    assert "no such read model" in message
