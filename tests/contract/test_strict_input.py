"""What comes in is refused unless it is just what the contract says."""

from typing import Any

import pytest
from pydantic import ValidationError

from shared.contracts.commands import COMMANDS, CreateUser
from shared.contracts.fields import email_key
from shared.contracts.queries import GetAllUsers, GetUserByEmail, GetUserById

ALICE: dict[str, Any] = {"user_id": "alice", "name": "Alice", "email": "alice@example.com"}


def refused_field(contract: Any, body: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as refusal:
        contract.model_validate(body)
    return ".".join(str(part) for part in refusal.value.errors()[0]["loc"])


@pytest.mark.parametrize("name", COMMANDS)
def test_an_extra_field_is_refused(name: str) -> None:
    body = {"user_id": "alice", "name": "A", "email": "a@example.com", "new_email": "a@example.com"}
    fields = COMMANDS[name].model_fields

    extra = {key: value for key, value in body.items() if key in fields} | {"role": "admin"}

    assert refused_field(COMMANDS[name], extra) == "role"


@pytest.mark.parametrize("field", ALICE)
@pytest.mark.parametrize("value", [None, 7, 1.5, True, [], {}, ["alice"], {"$gt": ""}])
def test_a_wrong_type_is_refused(field: str, value: object) -> None:
    assert refused_field(CreateUser, ALICE | {field: value}) == field


@pytest.mark.parametrize("field", ALICE)
def test_a_missing_field_is_refused(field: str) -> None:
    assert refused_field(CreateUser, {key: value for key, value in ALICE.items() if key != field}) == field


@pytest.mark.parametrize("user_id", ["", "a" * 65, "al ice", "alice\n", "ålice", "a/b", "a@b", "\x00", "*"])
def test_a_user_id_outside_its_alphabet_or_length_is_refused(user_id: str) -> None:
    assert refused_field(CreateUser, ALICE | {"user_id": user_id}) == "user_id"


@pytest.mark.parametrize("user_id", ["a", "A.b_c-9", "a" * 64, "..."])
def test_a_user_id_within_its_alphabet_and_length_is_taken(user_id: str) -> None:
    assert CreateUser.model_validate(ALICE | {"user_id": user_id}).user_id == user_id


@pytest.mark.parametrize("name", ["", " ", "\t\n", "a" * 201, "a\x00b", "a\ud800b"])
def test_a_bad_name_is_refused(name: str) -> None:
    assert refused_field(CreateUser, ALICE | {"name": name}) == "name"


@pytest.mark.parametrize(
    "name", ["A", "a" * 200, "Ælfgifu", "日本 太郎", "👩‍🚀", "O'Brien; DROP TABLE users --", "$where"]
)
def test_a_name_in_any_script_is_taken_as_it_is(name: str) -> None:
    assert CreateUser.model_validate(ALICE | {"name": name}).name == name


@pytest.mark.parametrize(
    "email",
    [
        "",
        "a",
        "example.com",
        "a b@example.com",
        "a@b@c.com",
        "@example.com",
        "a@",
        "a@.com",
        f"{'a' * 310}@example.com",
        "a\x00@example.com",
        "a@exam\ud800ple.com",
    ],
)
def test_what_is_no_email_address_is_refused(email: str) -> None:
    assert refused_field(CreateUser, ALICE | {"email": email}) == "email"
    assert refused_field(GetUserByEmail, {"email": email}) == "email"


def test_an_email_address_is_kept_as_it_was_given_and_unique_without_regard_to_case() -> None:
    assert CreateUser.model_validate(ALICE | {"email": "Alice@EXAMPLE.com"}).email == "Alice@EXAMPLE.com"
    assert email_key("Alice@EXAMPLE.com") == email_key("aLICE@example.COM")


@pytest.mark.parametrize("value", [{"$gt": ""}, {"$where": "1"}, ["alice"], 1])
def test_an_operator_in_place_of_a_value_never_gets_past_the_contract(value: object) -> None:
    assert refused_field(GetUserById, {"user_id": value}) == "user_id"
    assert refused_field(GetUserByEmail, {"email": value}) == "email"
    assert refused_field(GetAllUsers, {"status": value}) == "status"


@pytest.mark.parametrize("limit", [0, -1, 501, 10**9, 2**64, "10", 1.0, True])
def test_a_limit_beyond_its_cap_or_of_another_type_is_refused(limit: object) -> None:
    assert refused_field(GetAllUsers, {"limit": limit}) == "limit"
