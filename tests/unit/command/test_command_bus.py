import pytest

from services.command.bootstrap import STORES, command_bus
from services.command.handlers.create_user import create_user
from shared.contracts.commands import COMMANDS, CreateUser
from shared.contracts.outcome import RejectionCode


def test_every_command_of_the_contract_has_a_handler() -> None:
    assert set(command_bus().contracts) == set(COMMANDS.values())


def test_every_command_has_a_store_for_its_aggregate() -> None:
    assert {contract.aggregate_type for contract in command_bus().contracts} <= {
        store.aggregate_type for store in STORES
    }


def test_a_command_is_found_by_type_and_schema_version() -> None:
    bus = command_bus()
    assert bus.contract("CreateUser", 1) is CreateUser
    assert bus.contract("CreateUser", 2) is RejectionCode.UNSUPPORTED_VERSION
    assert bus.contract("Nonsense", 1) is RejectionCode.UNKNOWN_TYPE


def test_a_command_is_registered_once() -> None:
    with pytest.raises(ValueError, match="already"):
        command_bus().register(CreateUser, create_user)
