"""Live queries as a client sees them, on a real broker and a real MongoDB."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from services.query.mongo.collections import Database
from services.query.service import QueryService
from services.query.settings import QuerySettings
from tests.integration.query.service_scene import World, http_get, running
from tests.support.live_asker import Heard, Live, LiveAsker
from tests.unit.query.given_events import created, deactivated, reactivated, renamed


@pytest.fixture
async def service(settings: QuerySettings) -> AsyncIterator[QueryService]:
    async with running(settings) as service:
        yield service


@pytest.fixture(params=["queue", "direct"])
async def asker(request: pytest.FixtureRequest, vhost_url: str) -> AsyncIterator[LiveAsker]:
    async with LiveAsker(vhost_url, direct=request.param == "direct") as asker:
        yield asker


@pytest.fixture
async def with_queue(vhost_url: str) -> AsyncIterator[LiveAsker]:
    async with LiveAsker(vhost_url) as asker:
        yield asker


async def held(service: QueryService) -> float:
    """How many live queries the process says that it holds."""
    _, metrics = await http_get(service, "/metrics")
    return sum(float(line.split()[-1]) for line in metrics.splitlines() if line.startswith("live_subscriptions{"))


async def until_held(service: QueryService, number: int, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while await held(service) != number:
            await asyncio.sleep(0.05)


async def user(asker: LiveAsker, name: str = "alice", /, **headers: Any) -> tuple[Live, Heard]:
    wire_headers = {header.replace("_", "-"): value for header, value in headers.items()}
    live = await asker.subscribe("GetUserById", wire_headers, user_id=name)
    return live, await live.next()


@pytest.mark.usefixtures("service")
async def test_an_answer_and_then_every_change_of_it(world: World, asker: LiveAsker) -> None:
    await world.emit([created("alice")])
    await world.wait_for_users({"alice": 1})

    live, first = await user(asker)
    world.log += [created("alice"), renamed("alice", 2, "Al"), renamed("alice", 3, "Ali")]
    await world.emit([world.log[1], created("bob"), world.log[2]])
    updates = [await live.next(), await live.next()]

    assert (first.type, first.version, first.headers["sequence"], first.headers["lease-ms"]) == (
        "QueryAnswer",
        1,
        0,
        30_000,
    )
    assert [(update.type, update.version, update.headers["sequence"]) for update in updates] == [
        ("QueryUpdate", 2, 1),
        ("QueryUpdate", 3, 2),
    ]
    assert updates[1].body["data"]["name"] == "Ali"
    assert {update.subscription for update in updates} == {first.subscription}


@pytest.mark.usefixtures("service")
async def test_versions_that_the_projector_wrote_as_one_come_one_by_one(world: World, with_queue: LiveAsker) -> None:
    events = [created("alice"), *(renamed("alice", version, f"Al {version}") for version in range(2, 301))]
    world.log += events
    await world.emit(events[:1])
    await world.wait_for_users({"alice": 1})
    live, _ = await user(with_queue)

    await world.emit(events[1:])
    heard = [await live.next() for _ in range(299)]

    assert [each.version for each in heard] == list(range(2, 301))
    assert [each.body["data"]["name"] for each in heard] == [f"Al {version}" for version in range(2, 301)]
    assert [each.headers["sequence"] for each in heard] == list(range(1, 300))


@pytest.mark.usefixtures("service")
async def test_a_user_who_is_not_there_yet_can_be_waited_for(world: World, with_queue: LiveAsker) -> None:
    live, first = await user(with_queue, "nobody-yet")
    await world.emit([created("nobody-yet")])

    update = await live.next()

    assert first.body["error"]["code"] == "user_not_found"
    assert (update.version, update.body["data"]["user_id"]) == (1, "nobody-yet")


@pytest.mark.usefixtures("service")
async def test_no_change_is_lost_between_the_answer_and_the_first_update(world: World, with_queue: LiveAsker) -> None:
    """Subscriptions that begin while the user changes all the time."""
    last = 100
    events = [created("alice"), *(renamed("alice", version, f"Al {version}") for version in range(2, last + 1))]
    world.log += events

    async def change() -> None:
        for event in events:
            await world.emit([event])

    changing = asyncio.create_task(change())
    lives: list[Live] = []
    while not changing.done() and len(lives) < 20:
        lives.append(await with_queue.subscribe("GetUserById", user_id="alice"))
        await asyncio.sleep(0.05)
    await changing

    for live in lives:
        versions = await live.until_version(last)
        assert versions == list(range(versions[0], last + 1))
    assert len(lives) > 2


@pytest.mark.usefixtures("service")
async def test_changes_of_users_on_the_filter_of_the_page(world: World, asker: LiveAsker) -> None:
    await world.emit([created("alice"), created("bob")])
    await world.wait_for_users({"alice": 1, "bob": 1})

    live = await asker.subscribe("GetAllUsers", status="active", limit=1)
    first = await live.next()
    told: list[tuple[str, int | None]] = []
    for event in (renamed("bob", 2, "Bobby"), deactivated("alice", 2), created("carol"), reactivated("alice", 3)):
        await world.emit([event])
        update = await live.next()
        told += [
            (change["user_id"], (change["user"] or {}).get("version")) for change in update.body["data"]["changes"]
        ]

    assert [item["user_id"] for item in first.body["data"]["items"]] == ["alice"]
    assert told == [("bob", 2), ("alice", None), ("carol", 1), ("alice", 3)]


@pytest.mark.usefixtures("service")
async def test_sign_up_statistics_come_anew_when_they_change(world: World, asker: LiveAsker) -> None:
    live = await asker.subscribe("GetSignupStats", None, **{"from": "2026-11-22", "to": "2026-11-22"})
    first = await live.next()
    await world.emit([created(f"user-{number}") for number in range(50)])

    def signups(heard: Heard) -> int:
        return int(heard.body["data"]["items"][0]["signups"])

    counted = [signups(first)]
    while counted[-1] < 50:
        counted.append(signups(await live.next()))

    assert counted == sorted(set(counted))
    assert counted[0] == 0


async def test_two_subscriptions_of_one_asker_are_apart(
    world: World, service: QueryService, with_queue: LiveAsker
) -> None:
    await world.emit([created("alice"), created("bob")])
    await world.wait_for_users({"alice": 1, "bob": 1})
    (alice, _), (bob, _) = await user(with_queue), await user(with_queue, "bob")

    await world.emit([renamed("bob", 2, "B"), renamed("alice", 2, "A")])

    assert (await alice.next()).body["data"]["name"] == "A"
    assert (await bob.next()).body["data"]["name"] == "B"
    assert await held(service) == 2


async def test_a_cancelled_subscription_says_so_and_ends(world: World, service: QueryService, asker: LiveAsker) -> None:
    live, first = await user(asker)

    await asker.tell("CancelSubscription", live, first.subscription)
    heard = [await live.next(), await live.next()]

    by_type = {each.type: each.body for each in heard}
    assert by_type["QueryAnswer"]["data"]["status"] == "cancelled"
    assert by_type["QueryUpdate"]["error"]["code"] == "subscription_ended"
    assert await held(service) == 0
    await asker.tell("CancelSubscription", live, first.subscription)
    assert (await live.next()).body["data"]["status"] == "unknown"


async def test_a_subscription_ends_with_its_lease(world: World, service: QueryService, asker: LiveAsker) -> None:
    live, first = await user(asker, lease_ms=1000)

    ended = await live.next()

    assert first.headers["lease-ms"] == 1000
    assert (ended.body["error"]["code"], ended.body["error"]["retryable"]) == ("subscription_ended", True)
    assert await held(service) == 0


async def test_a_renewed_lease_begins_anew(world: World, service: QueryService, asker: LiveAsker) -> None:
    live, first = await user(asker, lease_ms=2000)

    types = []
    for _ in range(4):
        await asyncio.sleep(1.0)
        await asker.tell("RenewSubscription", live, first.subscription)
        types.append({(await live.next()).type, (await live.next()).type})

    assert types == [{"QueryAnswer", "SubscriptionRenewed"}] * 4
    assert await held(service) == 1


async def test_an_asker_who_vanished_is_cleaned_up_long_before_the_lease_ends(
    world: World, service: QueryService, asker: LiveAsker, database: Database
) -> None:
    await user(asker, lease_ms=300_000)

    await asker.vanish()

    await until_held(service, 0, seconds=12)
    async with asyncio.timeout(5):
        while await database["subscriptions"].count_documents({}):
            await asyncio.sleep(0.05)


async def test_an_asker_whose_queue_is_gone_is_noticed_by_the_next_update(
    world: World, service: QueryService, with_queue: LiveAsker
) -> None:
    await world.emit([created("alice")])
    await user(with_queue)
    await with_queue.vanish()

    await world.emit([renamed("alice", 2, "Al")])

    await until_held(service, 0, seconds=3)


@pytest.mark.usefixtures("service")
async def test_a_resume_token_goes_on_where_another_subscription_ended(world: World, with_queue: LiveAsker) -> None:
    events = [created("alice"), *(renamed("alice", version, f"Al {version}") for version in range(2, 10))]
    world.log += events
    await world.emit(events[:3])
    await world.wait_for_users({"alice": 3})
    _, first = await user(with_queue)
    await world.emit(events[3:])
    await world.wait_for_users({"alice": 9})

    live, resumed = await user(with_queue, resume_token=first.token)
    versions = [resumed.version, *[(await live.next()).version for _ in range(5)]]

    assert (first.version, resumed.headers["resumed"]) == (3, True)
    assert versions == [4, 5, 6, 7, 8, 9]


@pytest.mark.usefixtures("service")
async def test_who_resumes_and_has_missed_nothing_is_told_what_he_knows(world: World, with_queue: LiveAsker) -> None:
    await world.emit([created("alice")])
    await world.wait_for_users({"alice": 1})
    _, first = await user(with_queue)

    _, again = await user(with_queue, resume_token=first.token)

    assert (again.version, again.headers["resumed"]) == (1, True)


@pytest.mark.usefixtures("service")
async def test_a_list_resumes_with_the_changes_since(world: World, with_queue: LiveAsker) -> None:
    await world.emit([created("alice")])
    await world.wait_for_users({"alice": 1})
    live = await with_queue.subscribe("GetAllUsers", limit=1, sort="-created_at")
    first = await live.next()
    await world.emit([created("bob"), renamed("alice", 2, "Al")])
    await world.wait_for_users({"alice": 2, "bob": 1})

    again = await with_queue.subscribe("GetAllUsers", {"resume-token": first.token}, limit=1, sort="-created_at")
    resumed = await again.next()
    told: list[Any] = []
    while len(told) < 1:
        told += (await again.next()).body["data"]["changes"]

    assert resumed.headers["resumed"] is True
    shown = {item["user_id"]: item["version"] for item in resumed.body["data"]["items"]}
    seen = shown | {change["user_id"]: change["user"]["version"] for change in told}
    assert seen == {"alice": 2, "bob": 1}


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda token: "nonsense", "bad_cursor"),
        (lambda token: token[:-2] + "xx", "bad_cursor"),
        (lambda token: "", "bad_cursor"),
        (lambda token: "x" * 501, "invalid_message"),
        (lambda token: 7, "invalid_message"),
    ],
)
async def test_a_token_that_is_none_is_refused(
    world: World, with_queue: LiveAsker, spoil: Callable[[str], Any], code: str
) -> None:
    _, first = await user(with_queue)

    _, refused = await user(with_queue, resume_token=spoil(first.token))

    assert refused.body["error"]["code"] == code
    assert "subscription-id" not in refused.headers


@pytest.mark.usefixtures("service")
async def test_a_token_of_another_user_or_query_is_refused(world: World, with_queue: LiveAsker) -> None:
    _, alice = await user(with_queue)

    _, bob = await user(with_queue, "bob", resume_token=alice.token)
    users = await (await with_queue.subscribe("GetAllUsers", {"resume-token": alice.token})).next()
    stats = await (await with_queue.subscribe("GetSignupStats", {"resume-token": alice.token})).next()

    assert [heard.body["error"]["code"] for heard in (bob, users, stats)] == ["bad_cursor"] * 3


@pytest.mark.usefixtures("service")
async def test_a_query_that_can_not_be_followed_says_which_can(world: World, with_queue: LiveAsker) -> None:
    refused = await (await with_queue.subscribe("SearchUsers", text="al")).next()

    assert refused.body["error"]["code"] == "invalid_message"
    assert "GetAllUsers, GetSignupStats, GetUserById" in refused.body["error"]["message"]


async def test_there_is_a_limit_for_each_asker_and_for_the_process(
    world: World, settings: QuerySettings, vhost_url: str
) -> None:
    limits = {"max_live_queries": 3, "max_live_queries_per_asker": 2}
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running(settings.model_copy(update=limits)))
        one = await stack.enter_async_context(LiveAsker(vhost_url))
        other = await stack.enter_async_context(LiveAsker(vhost_url))
        heard = [(await user(asker))[1].body["error"] for asker in (one, one, one, other, other)]

    assert [error["code"] for error in heard] == [
        "user_not_found",
        "user_not_found",
        "too_many_subscriptions",
        "user_not_found",
        "too_many_subscriptions",
    ]
    assert [heard[2]["retryable"], heard[4]["retryable"]] == [False, True]


async def test_a_process_that_stops_tells_its_askers(world: World, settings: QuerySettings, asker: LiveAsker) -> None:
    await world.emit([created("alice")])
    async with running(settings):
        live, _ = await user(asker)

    ended = await live.next()
    while ended.type == "QueryUpdate" and ended.body["status"] == "ok":
        ended = await live.next()

    assert (ended.body["error"]["code"], ended.body["error"]["retryable"]) == ("subscription_ended", True)


async def test_what_another_process_projects_is_told_too_and_any_process_renews_and_cancels(
    world: World, settings: QuerySettings, with_queue: LiveAsker
) -> None:
    """Questions, renewals and cancellations go to the processes in turn; a queue of a read model to one of them."""
    async with running(settings), running(settings):
        await world.emit([created("alice")])
        await world.wait_for_users({"alice": 1})
        subscribed = [await user(with_queue) for _ in range(4)]

        await world.emit([renamed("alice", 2, "Al")])
        updates = [await live.next() for live, _ in subscribed]
        for live, first in subscribed:
            await with_queue.tell("RenewSubscription", live, first.subscription)
        renewals = [{(await live.next()).type, (await live.next()).type} for live, _ in subscribed]
        for live, first in subscribed:
            await with_queue.tell("CancelSubscription", live, first.subscription)
        ends = [{(await live.next()).type, (await live.next()).type} for live, _ in subscribed]

    assert [update.version for update in updates] == [2] * 4
    assert renewals == [{"QueryAnswer", "SubscriptionRenewed"}] * 4
    assert ends == [{"QueryAnswer", "QueryUpdate"}] * 4


@pytest.mark.usefixtures("service")
async def test_a_switch_to_another_generation_goes_on_with_that(
    world: World, with_queue: LiveAsker, database: Database
) -> None:
    await world.emit([created("alice"), created("bob")])
    await world.wait_for_users({"alice": 1, "bob": 1})
    live, _ = await user(with_queue)
    page = await with_queue.subscribe("GetAllUsers")
    await page.next()
    documents = [document | {"name": "Rebuilt"} async for document in database["users.g1"].find()]
    await database["users.g2"].insert_many(documents)

    await database["read_models"].update_one({"_id": "users"}, {"$set": {"live": 2}}, upsert=True)
    rebuilt, anew = await live.next(), await page.next()
    await world.emit([renamed("alice", 2, "Al")])

    assert rebuilt.body["data"]["name"] == "Rebuilt"
    assert [item["name"] for item in anew.body["data"]["page"]["items"]] == ["Rebuilt", "Rebuilt"]
    assert (await live.next()).body["data"]["name"] == "Al"
    assert (await page.next()).body["data"]["changes"][0]["user"]["name"] == "Al"
