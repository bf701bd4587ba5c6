import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Iterable
from string import ascii_lowercase
from typing import Any

import pytest
from pymongo import InsertOne

from services.query.domain_event import DomainEvent, domain_event
from services.query.mongo.collections import Collection, Collections
from services.query.read_model import Document
from services.query.read_models.user_directory import search_users
from services.query.read_models.user_directory.page_cursor import SearchCursor
from services.query.read_models.user_directory.pairs import pairs
from services.query.read_models.user_directory.paths import Path, paths
from services.query.read_models.user_directory.search_users import LENGTHS, entries, entries_of, shortest
from tests.integration.query.query_scene import Scene, seen, stages_of
from tests.unit.query import given_events
from tests.unit.query.given_events import at, deactivated, email_updated, renamed

SOUGHT = 80
"""Keys that are only looked for, of the beginnings of two letters."""

positions = itertools.count(1)


def created(user_id: str, *, name: str = "Alice", email: str | None = None) -> DomainEvent:
    """At a position of its own, as in the log."""
    envelope = given_events.created(user_id, name=name, email=email).envelope
    return domain_event(envelope.model_copy(update={"position": next(positions)}))


def entry(number: int, words: Iterable[str]) -> InsertOne[Document]:
    found_by = sorted(words)
    return InsertOne({"_id": f"u{number:05}", "position": number, "words": found_by, "pairs": pairs(found_by)})


@pytest.fixture
async def scene(collections: Collections) -> AsyncIterator[Scene]:
    scene = Scene(collections)
    yield scene
    await scene.models.close()


@pytest.fixture
async def people(scene: Scene) -> None:
    await scene.project(
        created("alice", name="Alice Liddell", email="alice@wonder.land"),
        created("alan", name="Alan Alison", email="alan.alison@example.com"),
        created("zoe", name="Zoë Ångström", email="zoe@example.com"),
        created("bob", name="Bob Stone", email="b.stone@wonder.land"),
        deactivated("bob", 2),
    )


async def leading(directory: Collection, asked: list[str]) -> Path:
    known = paths(asked)
    return await shortest(directory, known, LENGTHS) or known[-1]


async def search(scene: Scene, text: str) -> list[str]:
    return [user["user_id"] for user in (await scene.ask("SearchUsers", text=text))["items"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ali", ["alice", "alan"]),  # alice, alison
        ("AL", ["alan", "alice"]),
        ("zoe", ["zoe"]),
        ("ZOË angs", ["zoe"]),
        ("wonder.la", ["alice", "bob"]),
        ("al wonder", ["alice"]),
        ("b.stone@wonder", ["bob"]),
        ("lice", []),
        ("alice bob", []),
        ("al.*", ["alan", "alice"]),
        ("²", []),
    ],
)
async def test_users_are_found_by_the_beginnings_of_their_words(
    scene: Scene, people: None, text: str, expected: list[str]
) -> None:
    assert await search(scene, text) == expected


async def test_a_user_is_shown_as_everywhere(scene: Scene, people: None) -> None:
    answer = await scene.ask("SearchUsers", text="bob")

    assert answer == {
        "items": [
            {
                "user_id": "bob",
                "name": "Bob Stone",
                "email": "b.stone@wonder.land",
                "status": "deactivated",
                "created_at": at(1),
                "updated_at": at(2),
                "version": 2,
            }
        ],
        "next_cursor": None,
        "as_of": (None, at(2)),
    }


async def test_who_changed_is_found_by_what_is_now(scene: Scene, people: None) -> None:
    await scene.project(renamed("alice", 2, "Carol"), email_updated("alice", 3, "carol@new.example"))

    assert await search(scene, "alic liddell") == []
    assert await search(scene, "caro new") == ["alice"]


@pytest.mark.parametrize("limit", [1, 3, 500])
@pytest.mark.parametrize(("text", "prefixes"), [("a", ["a"]), ("ann a", ["ann"]), ("an be", ["an", "be"])])
async def test_pages_hold_everyone_once_and_in_order(scene: Scene, text: str, prefixes: list[str], limit: int) -> None:
    chance = random.Random(7)
    names = ["Anna", "Annabel", "Antonia", "Ann", "Bea", "Berta", "Ben", "Carl"]
    crowd = {f"u{n:03}": chance.sample(names, 3) for n in range(150)}
    await scene.project(
        *[created(user, name=" ".join(called), email=f"{user}@x.example") for user, called in crowd.items()]
    )
    rank = {
        user: min(name.lower() for name in called if name.lower().startswith(prefixes[0]))
        for user, called in crowd.items()
        if all(any(name.lower().startswith(prefix) for name in called) for prefix in prefixes)
    }
    assert len(rank) > 50

    found = await scene.page_through(limit, "SearchUsers", text=text)

    assert len(found) == len(set(found))
    assert set(found) == set(rank)
    if len(prefixes) == 1:
        assert found == sorted(rank, key=lambda user: (rank[user], user))


async def test_pages_hold_while_users_come(scene: Scene) -> None:
    await scene.project(*[created(f"u{n:03}", name="Ann Annabel") for n in range(0, 90, 2)])
    found: list[str] = []
    cursor: dict[str, str] = {}
    for number in range(1, 90, 2):
        page = await scene.ask("SearchUsers", text="ann", limit=4, **cursor)
        found += [user["user_id"] for user in page["items"]]
        await scene.project(created(f"u{number:03}", name="Annabel Ann"))
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}

    assert len(found) == len(set(found))
    assert {f"u{n:03}" for n in range(0, 90, 2)} <= set(found)


async def test_users_whom_an_earlier_version_entered_are_found_before_the_rebuild(scene: Scene, people: None) -> None:
    await scene.collections.live("user_directory").update_many({}, {"$unset": {"position": ""}})

    assert set(await search(scene, "al")) == {"alan", "alice"}
    assert await search(scene, "al wonder") == ["alice"]


async def test_a_cursor_of_another_search_is_refused(scene: Scene, people: None) -> None:
    cursor = (await scene.ask("SearchUsers", text="al", limit=1))["next_cursor"]

    assert (await scene.ask("SearchUsers", text="ali", cursor=cursor))["code"] == "bad_cursor"
    assert (await scene.ask("GetAllUsers", cursor=cursor))["code"] == "bad_cursor"
    assert (await scene.ask("SearchUsers", text="AL", limit=1, cursor=cursor))["items"][0]["user_id"] == "alice"


@pytest.mark.parametrize("text", ["", " ", "–", "a\x00b", "a" * 101, {"$regex": "a"}])
async def test_a_text_without_a_word_is_refused(scene: Scene, text: Any) -> None:
    assert (await scene.ask("SearchUsers", text=text))["code"] == "invalid_message"


async def test_every_search_comes_from_an_index(scene: Scene) -> None:
    directory = scene.collections.live("user_directory")
    await directory.bulk_write(
        [entry(n, [f"a{'abcdefghij'[n % 10]}", f"user{n:05}", f"zoe{'abcdefg'[n % 7]}"]) for n in range(2000)]
    )
    for asked, after, field, docs, sought in (
        (["a"], None, "words", 21, 0),
        (["a"], SearchCursor(paths(["a"])[0], "af", 1005), "words", 21, 0),
        (["a", "user0007"], None, "words", 21, 0),
        (["ad", "user0003"], None, "words", 21, 0),
        (["ad", "zoef"], None, "pairs", 31, SOUGHT),
    ):
        path = after.path if after else await leading(directory, asked)
        assert path.field == field
        arguments = entries(path, path.beginnings[0], after, path.asked)
        if after is None:
            arguments = entries_of(path, path.beginnings, path.asked)
        explained = await directory.find(**arguments, limit=20).explain()
        assert {"IXSCAN", "FETCH"} <= stages_of(explained["queryPlanner"]["winningPlan"])
        assert not {"SORT", "COLLSCAN"} & stages_of(explained["queryPlanner"]["winningPlan"])
        assert explained["executionStats"]["totalKeysExamined"] <= docs + sought
        assert explained["executionStats"]["totalDocsExamined"] <= docs


async def test_how_long_a_path_is_is_counted_without_a_look_at_documents(scene: Scene) -> None:
    directory = scene.collections.live("user_directory")
    await directory.bulk_write([entry(n, ["common", f"user{n}"]) for n in range(50)])
    path = paths(["common"])[0]

    keys = entries_of(path, path.beginnings, ()) | {"projection": {"_id": 0, "position": 1}}
    explained = await directory.find(**keys, skip=49, limit=1).explain()

    assert explained["executionStats"]["totalKeysExamined"] <= 51
    assert explained["executionStats"]["totalDocsExamined"] == 0


@pytest.mark.parametrize("asked", [["an", "smi"], ["anna", "smith"]])
async def test_two_frequent_prefixes_that_few_have_together_cost_what_they_find(scene: Scene, asked: list[str]) -> None:
    directory = scene.collections.live("user_directory")
    await directory.bulk_write(
        [
            entry(n, {"anna" if n % 2 else "bert", "smith" if n % 2 == 0 or n % 500 == 1 else "jones"})
            for n in range(3000)
        ]
    )
    path = await leading(directory, asked)

    explained = await directory.find(**entries_of(path, path.beginnings, path.asked)).explain()

    assert explained["executionStats"]["nReturned"] == 6
    assert explained["executionStats"]["totalDocsExamined"] <= 7


@pytest.mark.parametrize("asked", [["annabell", "smith"], ["annabel", "smith"], ["annabel", "smithson"]])
async def test_two_whole_words_cost_what_they_find_where_many_begin_with_the_same_letters(
    scene: Scene, asked: list[str]
) -> None:
    directory = scene.collections.live("user_directory")
    await directory.bulk_write(
        [entry(n, ["annabell" if n % 500 == 1 else "annika", "smithson", "smith"]) for n in range(3000)]
    )
    path = paths(asked)[-1]

    explained = await directory.find(**entries_of(path, path.beginnings, path.asked), limit=6).explain()

    assert explained["executionStats"]["nReturned"] == 6
    assert explained["executionStats"]["totalDocsExamined"] <= 7
    assert explained["executionStats"]["totalKeysExamined"] <= 20


async def test_the_rarest_of_several_words_leads(scene: Scene) -> None:
    directory = scene.collections.live("user_directory")
    await directory.bulk_write([entry(n, ["common", f"usernumber{n}"]) for n in range(600)])

    assert (await leading(directory, ["common", "usernumber12"])).beginnings == ("usernumber12",)


async def test_a_user_with_very_many_words_is_found_by_any_two_of_them(scene: Scene) -> None:
    await scene.project(
        created("long", name=" ".join(f"n{letter}x" for letter in ascii_lowercase), email="long@x.example")
    )
    await scene.project(created("short", name="ncx nfx", email="short@x.example"))

    assert await search(scene, "ncx nf") == ["long", "short"]
    assert await search(scene, "na nzx") == ["long"]
    assert await scene.page_through(1, "SearchUsers", text="ncx nf") == ["long", "short"]
    assert await search(scene, "ncx zoe") == []


async def test_a_search_waits_for_what_its_asker_wrote(scene: Scene) -> None:
    asked = asyncio.create_task(scene.ask("SearchUsers", seen("user/alice@1", 5), text="alice"))
    await asyncio.sleep(0.05)
    assert not asked.done()
    await scene.project(created("alice"))

    assert [user["version"] for user in (await asked)["items"]] == [1]
    assert (await scene.ask("SearchUsers", seen("user/alice@2", 0.02), text="alice"))["code"] == "stale_read"


async def test_a_pair_that_leads_to_many_others_gives_way_to_a_word_that_leads_to_none(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def walked(*_: object) -> None:
        raise AssertionError("a path was walked for want of a better one")

    monkeypatch.setattr(search_users, "_along", walked)
    monkeypatch.setattr(search_users, "LENGTHS", (5, 5))  # none is short
    names = ["Anna" if number % 10 == 0 else "Annika" for number in range(600)]
    await scene.project(
        *(created(f"u{number:03}", name=name, email=f"u{number}@example.com") for number, name in enumerate(names))
    )

    page = await scene.ask("SearchUsers", text="anna example", limit=20)

    assert [user["user_id"] for user in page["items"]] == [f"u{number:03}" for number in range(0, 200, 10)]
    assert page["next_cursor"] is not None
