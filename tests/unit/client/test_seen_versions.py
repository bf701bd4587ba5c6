from shared.client_tokens import SeenVersions
from shared.contracts.consistency_token import ConsistencyToken


def token(user_id: str, version: int) -> ConsistencyToken:
    return ConsistencyToken("user", user_id, version)


def test_the_highest_version_of_an_aggregate_counts() -> None:
    seen = SeenVersions()
    for version in (1, 3, 2):
        seen.saw(token("alice", version))
    assert seen.unshown("GetUserById") == (token("alice", 3),)


def test_what_a_query_has_shown_is_not_asked_of_it_again_until_the_next_write() -> None:
    seen = SeenVersions()
    seen.saw(token("alice", 1))
    seen.shown("GetUserById", seen.unshown("GetUserById"))
    assert seen.unshown("GetUserById") == ()
    assert seen.unshown("GetAllUsers") == (token("alice", 1),)
    seen.saw(token("alice", 2))
    assert seen.unshown("GetUserById") == (token("alice", 2),)


def test_an_answer_to_an_older_token_shows_nothing_of_a_later_write() -> None:
    seen = SeenVersions()
    seen.saw(token("alice", 1))
    asked_with = seen.unshown("GetUserById")
    seen.saw(token("alice", 2))
    seen.shown("GetUserById", asked_with)
    assert seen.unshown("GetUserById") == (token("alice", 2),)


def test_only_the_latest_writes_are_kept() -> None:
    seen = SeenVersions(limit=2)
    for user_id in ("alice", "bob", "alice", "carol"):
        seen.saw(token(user_id, 1 if user_id != "alice" else len(seen.unshown("q")) + 1))
    assert seen.unshown("q") == (token("alice", 3), token("carol", 1))
