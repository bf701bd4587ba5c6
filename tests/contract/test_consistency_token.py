import pytest

from shared.contracts.consistency_token import ConsistencyToken, InvalidTokenError, parse_tokens


def test_a_token_reads_back_what_it_says() -> None:
    assert parse_tokens("user/alice@3") == (ConsistencyToken("user", "alice", 3),)
    assert str(ConsistencyToken("user", "alice", 3)) == "user/alice@3"


def test_several_tokens_are_separated_by_commas_and_the_highest_version_counts() -> None:
    assert parse_tokens("user/alice@3, user/bob@1,user/alice@2") == (
        ConsistencyToken("user", "alice", 3),
        ConsistencyToken("user", "bob", 1),
    )


@pytest.mark.parametrize(
    "header",
    [
        "",
        ",",
        "alice@3",
        "user/alice",
        "user/alice@",
        "user/alice@-1",
        "user/al ice@1",
        "user/alice@1x",
        "user/alice@" + "9" * 19,
        "user/a@1,",
        ",".join(["user/a@1"] * 101),
    ],
)
def test_what_is_no_token_is_refused(header: str) -> None:
    with pytest.raises(InvalidTokenError):
        parse_tokens(header)
