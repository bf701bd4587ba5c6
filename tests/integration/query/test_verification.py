import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from services.query.domain_event import DomainEvent
from services.query.mongo.collections import Database, details_of
from services.query.projector.parking import Parking
from services.query.projector.targets import Target
from services.query.read_models.user_history.entries import key
from services.query.rebuild import verification
from services.query.rebuild.differences import Report, digest
from services.query.rebuild.verdict import Verdict, verdict
from services.query.rebuild.verification import Verification
from tests.integration.query.rebuild_scene import FOLDED, Process
from tests.unit.query.fake_log_reader import FakeLogReader
from tests.unit.query.given_events import created, deactivated, event, reactivated, renamed

USERS = [f"user-{number:02}" for number in range(12)]
Found = set[tuple[str, str, str]]
NOBODY = {"_id": "nobody", "version": 1, "name": "Nobody", "status": "active"}


def history() -> list[DomainEvent]:
    return [
        *(created(user) for user in USERS),
        *(renamed(user, 2, f"New {user}") for user in USERS[::2]),
        *(deactivated(user, 3) for user in USERS[::4]),
    ]


@pytest.fixture
def log() -> FakeLogReader:
    return FakeLogReader(history(), page_size=7)


@pytest.fixture
async def process(database: Database, log: FakeLogReader) -> AsyncIterator[Process]:
    """One that has projected all of the log."""
    process = Process(database, log)
    await process.project(*log.events)
    yield process
    await process.close()


async def verified(process: Process, model: str, *, repair: bool = False, patience: float = 0.0) -> Report:
    parking = Parking(process.collections.parked, model, "user")
    target = Target(process.collections.live(model), parking)
    verification = Verification(FOLDED[model], target, process.log, process.log, repair=repair, patience=patience)
    return await verification.run()


def named(report: Report) -> Found:
    assert report.differences == len(report.named)
    return {(each.kind, each.place, each.id) for each in report.named}


@pytest.mark.parametrize("model", FOLDED)
async def test_what_is_as_the_log_says_has_no_differences(process: Process, model: str) -> None:
    report = await verified(process, model)

    assert (named(report), report.events, report.documents, report.parked) == (set(), 21, 12, 0)


@pytest.mark.parametrize("model", FOLDED)
async def test_corrupted_deleted_and_invented_documents_are_named_and_mended(process: Process, model: str) -> None:
    right = await process.content(model)
    documents = process.collections.live(model)
    await documents.update_one({"_id": USERS[1]}, {"$set": {"name": "Mallory"}})
    await documents.delete_one({"_id": USERS[4]})
    await documents.insert_one(dict(NOBODY))
    wrong = {
        ("different", "documents", USERS[1]),
        ("missing", "documents", USERS[4]),
        ("invented", "documents", "nobody"),
    }

    assert named(await verified(process, model)) == wrong
    repaired = await verified(process, model, repair=True)
    assert (named(repaired), repaired.repaired) == (wrong, 3)
    assert named(await verified(process, model)) == set()
    assert await process.content(model) == right


async def test_entries_are_named_and_mended(process: Process) -> None:
    right = await process.content("user_history")
    entries = details_of(process.collections.live("user_history"))
    await entries.update_one({"_id": key(USERS[2], 2)}, {"$set": {"type": "Forged"}})
    await entries.delete_one({"_id": key(USERS[4], 1)})
    await entries.insert_one({"_id": key(USERS[4], 9), "type": "Forged"})
    await entries.insert_one({"_id": key("nobody", 1), "type": "Forged"})
    await entries.insert_one({"_id": {"other": 1}})
    wrong = {
        ("different", "details", f"user_id={USERS[2]},version=2"),
        ("missing", "details", f"user_id={USERS[4]},version=1"),
        ("invented", "details", f"user_id={USERS[4]},version=9"),
        ("invented", "details", "user_id=nobody,version=1"),
        ("invented", "details", "other=1"),
    }

    assert named(await verified(process, "user_history")) == wrong
    assert (await verified(process, "user_history", repair=True)).repaired == 5
    assert named(await verified(process, "user_history")) == set()
    assert await process.content("user_history") == right


async def test_counters_are_named_and_mended(process: Process, log: FakeLogReader) -> None:
    later = [reactivated(USERS[0], 4), created("late")]
    await process.project(*log.append(*(at_day(each, day) for day, each in enumerate(later, start=23))))
    days = details_of(process.collections.live("signup_stats"))
    first, second, third = [day["_id"] async for day in days.find().sort("_id")]
    await days.update_one({"_id": first}, {"$inc": {"signups": 5, "active": -1}})
    await days.delete_one({"_id": second})
    await days.update_one({"_id": third}, {"$set": {"signups": "many"}})
    await days.insert_one({"_id": datetime(1999, 1, 1, tzinfo=UTC), "signups": 3})

    found = named(await verified(process, "signup_stats"))

    assert {(kind, id_[:10]) for kind, _, id_ in found} == {
        ("different", str(first)[:10]),
        ("missing", str(second)[:10]),
        ("different", str(third)[:10]),
        ("invented", "1999-01-01"),
    }
    assert (await verified(process, "signup_stats", repair=True)).repaired == 4
    assert named(await verified(process, "signup_stats")) == set()
    mended = {day["_id"]: day async for day in days.find()}
    assert mended[first]["signups"] == 12
    assert mended.keys() == {first, second, third}
    assert all("updated_at" in day for day in mended.values())


def at_day(happened: DomainEvent, day: int) -> DomainEvent:
    envelope = happened.envelope
    return DomainEvent(envelope.model_copy(update={"time": envelope.time.replace(day=day)}), happened.data)


async def test_documents_with_ids_that_no_aggregate_has_are_invented(process: Process) -> None:
    users = process.collections.live("users")
    await users.insert_many([{"_id": 7, "email_key": "a"}, {"_id": {"a": 1}, "email_key": "b"}])

    assert named(await verified(process, "users")) == {
        ("invented", "documents", "7"),
        ("invented", "documents", "a=1"),
    }
    await verified(process, "users", repair=True)
    assert named(await verified(process, "users")) == set()


@pytest.mark.parametrize("model", FOLDED)
async def test_a_last_event_that_was_lost_is_found_and_mended(process: Process, log: FakeLogReader, model: str) -> None:
    """As when a queue is deleted with the event in it: no later one shows the gap."""
    lost = log.append(deactivated(USERS[1], 2))

    report = await verified(process, model)

    assert ("behind", "documents", USERS[1]) in named(report)
    (behind,) = [each for each in report.named if each.kind == "behind"]
    assert (behind.found_version, behind.expected_version) == (1, 2)
    await verified(process, model, repair=True)
    assert named(await verified(process, model)) == set()
    right = await process.content(model)
    await process.project(*lost)
    assert await process.content(model) == right


@pytest.mark.parametrize("model", FOLDED)
async def test_events_on_their_way_are_no_differences(process: Process, log: FakeLogReader, model: str) -> None:
    """A document that is busy all the time, and one whose event comes after a while."""
    log.page_size = 100
    done = asyncio.Event()
    late = log.append(renamed(USERS[3], 2, "Late"))

    async def live() -> None:
        version = 1
        while not done.is_set():
            version += 1
            await process.live(model).projection.apply(log.append(renamed(USERS[5], version, f"Name {version}")))
            if version == 15:
                await process.live(model).projection.apply(late)
            await asyncio.sleep(0.01)

    writing = asyncio.create_task(live())
    await asyncio.sleep(0.05)
    report = await verified(process, model, patience=20)
    done.set()
    await writing

    assert named(report) == set()


async def test_a_busy_document_is_right_however_long_the_rest_takes(process: Process, log: FakeLogReader) -> None:
    """It is behind at first sight, and behind again when it is looked at after more than the patience."""
    log.page_size, log.seconds_per_page = 6, 0.1
    done = asyncio.Event()

    async def live() -> None:
        version = 3
        while not done.is_set():
            version += 1
            logged = log.append(renamed(USERS[0], version, f"Name {version}"))
            await asyncio.sleep(0.05)
            await process.live("users").projection.apply(logged)

    writing = asyncio.create_task(live())
    await asyncio.sleep(0.05)
    report = await verified(process, "users", patience=0.1)
    done.set()
    await writing

    assert named(report) == set()


@pytest.mark.parametrize("model", FOLDED)
async def test_repair_disturbs_nobody_who_writes(process: Process, log: FakeLogReader, model: str) -> None:
    log.page_size = 100
    documents = process.collections.live(model)
    done = asyncio.Event()

    async def live() -> None:
        version = 1
        while not done.is_set():
            version += 1
            kind = deactivated if version % 2 else reactivated
            await process.live(model).projection.apply(log.append(kind(USERS[5], version)))
            await asyncio.sleep(0.005)

    async def damage() -> None:
        for _ in range(5):
            await documents.update_one({"_id": USERS[5]}, {"$set": {"name": "Mallory"}})
            await documents.delete_one({"_id": USERS[7]})
            await verified(process, model, repair=True, patience=0.2)

    writing = asyncio.create_task(live())
    await damage()
    done.set()
    await writing
    await verified(process, model, repair=True)

    assert named(await verified(process, model)) == set()
    await same_as_projected_anew(process, model)


async def same_as_projected_anew(process: Process, model: str) -> None:
    client = process.collections.database.client
    name = f"{process.collections.database.name}_anew"
    anew = Process(client[name], process.log)
    await anew.project(*process.log.events)
    (documents, details), (expected, expected_details) = await process.content(model), await anew.content(model)
    await anew.close()
    await client.drop_database(name)
    assert documents == expected
    assert [_without_time(each) for each in details] == [_without_time(each) for each in expected_details]


def _without_time(detail: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in detail.items() if name != "updated_at" and value != 0}


@pytest.mark.parametrize("model", FOLDED)
async def test_what_is_parked_is_counted_and_is_no_difference(process: Process, log: FakeLogReader, model: str) -> None:
    await process.project(*log.append(event("UserRenamed", USERS[1], 2, new_name=7), renamed(USERS[1], 3, "X")))
    log.events[-2] = renamed(USERS[1], 2, "it can be read now")

    report = await verified(process, model)

    assert (named(report), report.parked) == (set(), 1)


async def test_an_empty_read_model_lacks_every_document(database: Database, log: FakeLogReader) -> None:
    process = Process(database, log)

    report = await verified(process, "user_history", repair=True)

    assert report.repaired == report.differences == 12 + 21
    assert named(await verified(process, "user_history")) == set()
    await process.close()


def test_a_digest_tells_types_and_ignores_the_order_of_fields() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert len({digest({"a": value}) for value in (1, 1.0, True, "1", None)}) == 5


async def test_a_second_look_gives_others_a_turn_after_each_aggregate(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Busy aggregates have long histories: who folds a hundred at once loses the lease, and keeps askers waiting."""
    await process.collections.live("users").update_many({}, {"$set": {"name": "Mallory"}})
    turns = 0
    judged_in: list[int] = []

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def judge(*arguments: Any, **options: Any) -> Verdict:
        judged_in.append(turns)
        return verdict(*arguments, **options)

    monkeypatch.setattr(verification, "verdict", judge)
    others = asyncio.create_task(other())
    report = await verified(process, "users")
    others.cancel()

    assert report.differences == len(judged_in) == len(USERS)
    assert len(set(judged_in)) == len(USERS)
