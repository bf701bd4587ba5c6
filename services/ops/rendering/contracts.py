"""The commands or queries that there are, with their fields, for a person and for a program."""

from collections.abc import Mapping
from inspect import cleandoc
from typing import Any

from pydantic import BaseModel
from rich import box
from rich.table import Table
from rich.text import Text


def contracts_table(catalogue: Mapping[str, type[BaseModel]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("type", style="bold cyan", no_wrap=True)
    table.add_column("fields (? may be left out)", no_wrap=True)
    table.add_column("what it does")
    for name, contract in catalogue.items():
        fields = [
            (info.alias or field) + ("" if info.is_required() else "?") for field, info in contract.model_fields.items()
        ]
        table.add_row(name, " ".join(fields), Text(_first_line(contract).replace("`", "")))
    return table


def contracts_json(catalogue: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    """Each contract's JSON Schema, by its name on the wire."""
    return {name: contract.model_json_schema() for name, contract in catalogue.items()}


def _first_line(contract: type[BaseModel]) -> str:
    return cleandoc(contract.__doc__ or "").partition("\n")[0]
