import itertools
import random
from string import ascii_lowercase

import pytest

from services.query.read_models.user_directory import USER_DIRECTORY
from services.query.read_models.user_directory.page_cursor import SearchCursor, decode, encode
from services.query.read_models.user_directory.pairs import pairs
from services.query.read_models.user_directory.paths import paths
from services.query.read_models.user_directory.projection import project
from services.query.read_models.user_directory.words import folded, sought, words
from services.query.sealed_cursor import BadCursorError, seal
from tests.unit.query.given_events import created, deactivated, email_updated, renamed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Zoë O'Brien", ["brien", "o", "zoe"]),
        ("Al.Liddell+news@Wonder-Land.example", ["al", "example", "land", "liddell", "news", "wonder"]),
        ("Ångström STRASSE Straße", ["angstrom", "strasse"]),
        ("Łukasz Sørensen Ægir", ["aegir", "lukasz", "sorensen"]),
        ("e\u0301mile Émile", ["emile"]),
        ("日本 太郎", ["太郎", "日本"]),
        ("ＡＬＩＣＥ snake_case", ["alice", "case", "snake"]),
        ("– !", []),
        ("x" * 100, ["x" * 64]),
    ],
)
def test_words_are_folded_and_each_is_there_once(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_plain_letters_are_folded_like_all_others() -> None:
    assert folded("ALICE o'B-1 ") == folded("ALICE o'B-1 é").removesuffix("e")


def test_what_is_folded_stays_as_it_is() -> None:
    assert folded(folded("ǅ ẞ ΐ İ ﬁ")) == folded("ǅ ẞ ΐ İ ﬁ")


def test_a_prefix_of_another_asks_for_nothing_more() -> None:
    assert sought("Alice ali lid AL") == ["alice", "lid"]


def test_an_entry_has_the_words_of_name_and_address_as_they_are_now() -> None:
    first = project(None, created("alice", name="Alice Liddell", email="al@example.com"))
    moved = project(first, email_updated("alice", 2, "a.l@wonder.land"))
    named = project(moved, renamed("alice", 3, "Älice"))

    assert first["words"] == ["al", "alice", "com", "example", "liddell"]
    assert moved["words"] == ["a", "alice", "l", "land", "liddell", "wonder"]
    assert named["words"] == ["a", "alice", "l", "land", "wonder"]
    assert project(named, deactivated("alice", 4))["words"] == named["words"]


def test_pairs_hold_each_two_words_under_the_beginnings_of_the_first() -> None:
    assert pairs(["al", "alice", "liddell", "o", "wonderland"]) == [
        "al alice ",
        "al liddell ",
        "al o ",
        "al wonderla ",
        "ali liddell ce",
        "ali o ce",
        "ali wonderla ce",
        "lid o dell",
        "lid wonderla dell",
    ]
    assert pairs(["liddell", "voutaж", "日本"]) == ["lid vouta dell", "lid 日本 dell", "vou 日本 taж"]
    assert pairs(["alice"]) == pairs([]) == []


def test_words_are_in_pairs_as_far_as_their_first_digit() -> None:
    found_by = ["12monkeys", "alice", "liddell", "liddell123", "o42", "o4o"]

    assert pairs(found_by) == ["ali liddell ce", "ali o ce", "lid o dell"]
    for asked in (["al1ce42", "12mon"], ["alice", "liddell1"], ["alice", "lid3ell"]):
        assert all(path.field == "words" for path in paths(asked))


def test_what_most_addresses_end_in_is_in_no_pair_and_sought_along_no_pairs() -> None:
    found_by = words("Alice Cooper alice@example.com")

    assert pairs(found_by) == ["ali cooper ce", "ali example ce", "coo example per"]
    for asked in ("alice com", "co ex", "ali o", "ne org"):
        assert all(path.field == "words" for path in paths(sought(asked)))
    for asked in ("alice comp", "coo ex", "ali on"):
        assert any(path.field == "pairs" for path in paths(sought(asked)))


def test_an_entry_keeps_the_position_of_its_first_event() -> None:
    first = project(None, created("alice"))
    later = project(first, renamed("alice", 3, "Al"))

    assert first["position"] == later["position"] == created("alice").position


def test_of_a_user_with_very_many_words_no_pairs_are_kept_but_that_there_are_others() -> None:
    many = words("Al Bo c " + " ".join(f"w{letter}{letter}w" for letter in ascii_lowercase))

    assert pairs(many) == ["al *", "bo *", *(f"w{letter}{letter} *" for letter in ascii_lowercase)]


def test_words_that_differ_in_digits_only_are_one_for_pairs() -> None:
    assert pairs(words("Al " + " ".join(f"bo{number}" for number in range(100)))) == ["al bo "]


@pytest.mark.parametrize("most", [10, 40])
def test_whoever_has_two_words_is_on_every_path_for_any_beginnings_of_them(most: int) -> None:
    """Whichever of many words are sought, and however much of them."""
    found_by = words(
        " ".join(
            [
                "Alexander",
                "Al",
                "Zoë",
                "Ω",
                "x",
                "日本語",
                "élan",
                "nameЖук",
                "al9x77",
                "com",
                "company",
                "org3",
                *[f"n{third}{letter}me" for letter in ascii_lowercase for third in "aж7"][: most - 12],
            ]
        )
    )
    keys = {"words": found_by, "pairs": pairs(found_by)}
    looked_at: set[str] = set()

    for one, other in itertools.combinations(found_by, 2):
        for asked in (sought(f"{one[:i]} {other[:j]}") for i in (1, 2, 3, 5) for j in (1, 3, 6, 9)):
            for path in paths(asked):
                looked_at.add(path.field)
                assert any(key.startswith(path.beginnings) for key in keys[path.field]), (asked, path)
    assert looked_at == keys.keys()


def test_on_an_exact_path_is_nobody_who_is_not_sought() -> None:
    chance = random.Random(3)
    beginnings = [
        "an",
        "ann",
        "anna",
        "annabel",
        "annabelle",
        "annabellina",
        "smi",
        "smith",
        "smiths",
        "smiж",
        "жук",
        "жуковски",
        "жуковский",
    ]
    exact = 0
    for _ in range(2_000):
        found_by = sorted({chance.choice(beginnings) + chance.choice(("", "a", "e", "ж")) for _ in range(4)})
        asked = sought(" ".join(chance.sample(beginnings, 2)))
        for path in paths(asked):
            if path.is_exact and any(key.startswith(path.beginnings) for key in pairs(found_by)):
                exact += 1
                assert all(any(word.startswith(prefix) for word in found_by) for prefix in asked), (asked, found_by)
    assert exact > 100


@pytest.mark.parametrize("asked", [["annabell", "smith"], ["annabell", "smithers"], ["ann", "smith"], ["ан", "smith"]])
def test_beginnings_are_in_the_order_of_the_index(asked: list[str]) -> None:
    for path in paths(asked):
        assert list(path.beginnings) == sorted(path.beginnings)


def test_a_cursor_survives_the_journey() -> None:
    for path, key in zip(paths(["ali", "lid"]), ("alice", "liddell", "ali liddell ce"), strict=True):
        cursor = SearchCursor(path, key, 42)

        assert decode(encode(cursor, ["ali", "lid"]), ["ali", "lid"]) == cursor


@pytest.mark.parametrize("asked", [["ali"], ["ali", "li"], ["lid"], []])
def test_a_cursor_of_another_search_is_refused(asked: list[str]) -> None:
    with pytest.raises(BadCursorError, match="belongs to another text"):
        decode(encode(SearchCursor(paths(["ali", "lid"])[1], "liddell", 42), ["ali", "lid"]), asked)


@pytest.mark.parametrize(
    "changed",
    [
        {0: 1},
        {2: 1},
        {2: -1},
        {2: None},
        {2: "ali"},
        {3: 7},
        {3: "bob"},
        {4: None},
        {4: "42"},
        {4: True},
        {4: 2**63},
        {4: -(10**30)},
        {4: {"$gt": ""}},
    ],
)
def test_a_well_made_forgery_is_refused(changed: dict[int, object]) -> None:
    fingerprint = "a9d4ffef6a7a4cd5"
    fields = [6, fingerprint, 0, "alice", 42]
    sealed = seal([changed.get(at, field) for at, field in enumerate(fields)])  # type: ignore[misc]

    with pytest.raises(BadCursorError):
        decode(sealed, ["ali"])


def test_the_model_is_of_users() -> None:
    assert (USER_DIRECTORY.name, USER_DIRECTORY.aggregate_type) == ("user_directory", "user")
