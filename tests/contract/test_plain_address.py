"""The quick look at an e-mail address against the thorough one."""

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given
from hypothesis import strategies as st

from shared.contracts.fields import is_plain_address

ADDRESS_LIKE = st.lists(
    st.sampled_from(["a", "Z", "9", "-", "--", "_", "+", ".", "..", "@", " ", "é", "\n", "xn--", ".test", ".com", "ß"]),
    max_size=14,
).map("".join)
WITH_AN_AT = st.tuples(ADDRESS_LIKE, ADDRESS_LIKE, st.sampled_from(["com", "local", "t", "c0m", "onion", "org\n"])).map(
    lambda parts: f"{parts[0]}@{parts[1]}.{parts[2]}"
)


@given(st.one_of(WITH_AN_AT, ADDRESS_LIKE, st.emails()))
@example("alice@example.com")
@example("alice@example.com\n")
@example("alice@sub-domain.example.TEST")
@example(f"{'a' * 65}@example.com")
@example("a@b--c.com")
@example("ali\u212ae@example.com")
def test_no_address_is_taken_for_plain_that_the_thorough_look_refuses(text: str) -> None:
    if is_plain_address(text):
        validate_email(text, check_deliverability=False)


@pytest.mark.parametrize(
    "text", ["alice@example.com", "Alice.B-c+tag_1@Mail.Example-Host.co.uk", "a@b.cd", f"{'a' * 52}@example.com"]
)
def test_an_ordinary_address_is_plain(text: str) -> None:
    assert is_plain_address(text)


@pytest.mark.parametrize(
    "text",
    ["", "a", "a@b", "a@b.c", "a@@b.cd", ".a@b.cd", "a@-b.cd", "a@b.local", "a b@c.de", "a@xn--b.cd", "ä@b.cd"],
)
def test_anything_else_gets_the_thorough_look(text: str) -> None:
    assert not is_plain_address(text)


def test_a_refused_address_is_refused_all_the_same() -> None:
    with pytest.raises(EmailNotValidError):
        validate_email("a@b.local", check_deliverability=False)
