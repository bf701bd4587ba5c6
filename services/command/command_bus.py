"""Which contract a command on the wire has, and which handler decides it."""

from collections.abc import Callable
from typing import Any, TypeVar

from services.command.aggregates import Aggregates, Recorded
from services.command.domain.decision import Rejection
from shared.contracts.base import Command
from shared.contracts.outcome import RejectionCode

C = TypeVar("C", bound=Command)
A = TypeVar("A", bound=Aggregates[Any])


class CommandBus:
    """Filled once, in `bootstrap.py`: one line for each command."""

    def __init__(self) -> None:
        self._contracts: dict[str, dict[int, type[Command]]] = {}
        self._handlers: dict[type[Command], Callable[[Any, Any], Recorded | Rejection]] = {}

    def register(self, contract: type[C], handler: Callable[[C, A], Recorded | Rejection]) -> None:
        """Raises ValueError where the type and schema version have a contract already."""
        versions = self._contracts.setdefault(contract.type, {})
        if contract.schema_version in versions:
            raise ValueError(f"{contract.type} version {contract.schema_version} is registered already")
        versions[contract.schema_version] = contract
        self._handlers[contract] = handler

    def contract(self, type_: str, schema_version: int) -> type[Command] | RejectionCode:
        """The class of such a command; `unknown_type` or `unsupported_version` where there is none."""
        versions = self._contracts.get(type_)
        if versions is None:
            return RejectionCode.UNKNOWN_TYPE
        return versions.get(schema_version, RejectionCode.UNSUPPORTED_VERSION)

    def handle(self, command: Command, aggregates: Aggregates[Any]) -> Recorded | Rejection:
        """Has the command decided on the aggregates of its type. Raises whatever a faulty handler raises."""
        return self._handlers[type(command)](command, aggregates)

    @property
    def contracts(self) -> list[type[Command]]:
        return list(self._handlers)
