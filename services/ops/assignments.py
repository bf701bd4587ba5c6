"""`CreateUser user_id=alice name=Alice` on a command line, made into a message of the contract."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from services.ops.errors import UsageError

ContractT = TypeVar("ContractT", bound=BaseModel)


def contract_from(
    kind: str, catalogue: Mapping[str, type[ContractT]], name: str, assignments: Sequence[str]
) -> ContractT:
    """The message of that name with these `field=value` pairs, each read as the contract types its field.

    `kind` is what to call it, `command` or `query`. Raises UsageError that names every fault.
    """
    contract = catalogue.get(name)
    if contract is None:
        raise UsageError(
            f"there is no {kind} {name!r}{did_you_mean(name, catalogue)}; `cqrs {_plural(kind)}` lists all"
        )
    try:
        return contract.model_validate_strings(_fields(assignments))
    except ValidationError as error:
        faults = [_fault(contract, fault["loc"], fault["type"], fault["msg"]) for fault in error.errors()]
        raise UsageError(f"{name}: {'; '.join(faults)}") from error


def did_you_mean(name: str, known: Mapping[str, object]) -> str:
    """`, did you mean 'CreateUser'?`, or nothing where nothing is close."""
    by_lower = {known_name.lower(): known_name for known_name in known}
    close = get_close_matches(name.lower(), by_lower, n=1)
    return f", did you mean {by_lower[close[0]]!r}?" if close else ""


def _fields(assignments: Sequence[str]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not name:
            raise UsageError(f"{assignment!r} is not field=value")
        if name in fields:
            raise UsageError(f"{name!r} is given twice")
        fields[name] = value
    return fields


def _fault(contract: type[BaseModel], location: tuple[int | str, ...], kind: str, message: str) -> str:
    field = ".".join(map(str, location))
    if kind == "missing":
        return f"{field} is missing"
    if kind == "extra_forbidden":
        known = [info.alias or name for name, info in contract.model_fields.items()]
        return f"there is no field {field!r}, only {', '.join(known) or 'none'}"
    return f"{field}: {message}"


def _plural(kind: str) -> str:
    return {"command": "commands", "query": "queries"}[kind]
