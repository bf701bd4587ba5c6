"""An answer for a person, whatever the query: a page as a table, anything else as its fields."""

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from shared.contracts.answer import Answered, Failed
from shared.contracts.views import Change


def answer_text(answer: Answered[Any] | Failed) -> RenderableType:
    if isinstance(answer, Failed):
        again = "  (the same question may be answered a little later)" if answer.error.retryable else ""
        return Text.assemble((answer.error.code, "bold red"), f"  {answer.error.message}", (again, "dim"))
    data: BaseModel = answer.data
    items = getattr(data, "items", None)
    return _fields(data) if items is None else _page(items, getattr(data, "next_cursor", None))


def _fields(data: BaseModel) -> RenderableType:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name in type(data).model_fields:
        value = getattr(data, name)
        if value is not None:
            table.add_row(name, cell(value))
    return table


def _page(items: list[BaseModel], next_cursor: str | None) -> RenderableType:
    if not items:
        return Text("none", style="dim")
    table = Table(box=None, header_style="dim", pad_edge=False)
    fields = type(items[0]).model_fields
    names = [name for name in fields if any(getattr(item, name) is not None for item in items)]
    for name in names:
        table.add_column(name, overflow="fold")
    for item in items:
        table.add_row(*(cell(getattr(item, name)) for name in names))
    if next_cursor is None:
        return table
    return Group(table, Text(f"more: add cursor={next_cursor}", style="dim"))


def cell(value: Any) -> Text:
    if isinstance(value, datetime):
        return Text(value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ"))
    if value is None:
        return Text("–", style="dim")
    if isinstance(value, list):
        return Text("\n").join(map(cell, value))
    if isinstance(value, Change):
        return Text.assemble((f"{value.field}: ", "dim"), cell(value.before), " → ", cell(value.after))
    return Text(str(value), style=_STYLES.get(str(value), ""))


_STYLES = {"active": "green", "accepted": "green", "deactivated": "yellow", "rejected": "red", "unknown": "yellow"}
