import pytest

from services.ops.assignments import contract_from
from services.ops.errors import UsageError
from shared.contracts.commands import COMMANDS, CreateUser
from shared.contracts.queries import QUERIES, GetAllUsers


def test_fields_become_the_message() -> None:
    fields = ["user_id=alice", "name=Alice Liddell", "email=alice@example.com"]
    expected = CreateUser(user_id="alice", name="Alice Liddell", email="alice@example.com")
    assert contract_from("command", COMMANDS, "CreateUser", fields) == expected


def test_only_the_first_equals_sign_divides() -> None:
    message = contract_from("command", COMMANDS, "RenameUser", ["user_id=alice", "name=a=b=c"])
    assert message.model_dump()["name"] == "a=b=c"


def test_a_value_is_read_as_its_fields_type() -> None:
    query = contract_from("query", QUERIES, "GetAllUsers", ["limit=10", "sort=-name"])
    assert query == GetAllUsers(limit=10, sort="-name")


def test_a_number_stays_text_where_text_is_due() -> None:
    message = contract_from("command", COMMANDS, "RenameUser", ["user_id=007", "name=42"])
    assert message.model_dump() == {"user_id": "007", "name": "42"}


@pytest.mark.parametrize(
    ("name", "assignments", "said"),
    [
        ("CreatUser", (), "there is no command 'CreatUser', did you mean 'CreateUser'?; `cqrs commands` lists all"),
        ("createuser", (), "there is no command 'createuser', did you mean 'CreateUser'?; `cqrs commands` lists all"),
        ("Xyz", (), "there is no command 'Xyz'; `cqrs commands` lists all"),
        ("RenameUser", ("user_id",), "'user_id' is not field=value"),
        ("RenameUser", ("=x",), "'=x' is not field=value"),
        ("RenameUser", ("user_id=a", "user_id=b"), "'user_id' is given twice"),
        ("RenameUser", ("user_id=a",), "RenameUser: name is missing"),
        (
            "RenameUser",
            ("user_id=a", "name=A", "email=x"),
            "RenameUser: there is no field 'email', only user_id, name",
        ),
    ],
)
def test_a_wrong_command_is_refused_and_told_how(name: str, assignments: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        contract_from("command", COMMANDS, name, assignments)
    assert str(refused.value) == said


def test_every_fault_is_named() -> None:
    with pytest.raises(UsageError, match=r"GetAllUsers: limit: .*; sort: .*"):
        contract_from("query", QUERIES, "GetAllUsers", ["limit=many", "sort=age"])
