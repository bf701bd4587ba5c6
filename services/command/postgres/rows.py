"""Many rows in one statement: one array for each column, unnested side by side."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Insert, Select, Table, Text, bindparam, cast, func, insert, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

NOW: Final = "now"
"""The parameter of those columns that are the same time in each row."""


def insert_rows(table: Table, *columns: str, now: Sequence[str] = ()) -> Insert:
    """`INSERT INTO table (columns) SELECT unnest(…), …`; run it with the parameters of `in_columns`, and NOW for the
    columns that `now` names.
    """
    return insert(table).from_select((*columns, *now), unnested(table, *columns, now=now))


def unnested(table: Table, *columns: str, now: Sequence[str] = ()) -> Select[Any]:
    """A row for each element of the arrays, which have the names of the columns. JSON goes in as text."""
    elements: list[ColumnElement[Any]] = []
    for name in columns:
        type_ = table.c[name].type
        if isinstance(type_, JSONB):
            elements.append(cast(func.unnest(bindparam(_parameter(name), type_=ARRAY(Text))), JSONB).label(name))
        else:
            elements.append(func.unnest(bindparam(_parameter(name), type_=ARRAY(type_)), type_=type_).label(name))
    return select(*elements, *(bindparam(NOW, type_=table.c[name].type).label(name) for name in now))


def in_columns(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Mapping[str, list[Any]]:
    """Rows turned into one list for each column; `rows` may not be empty."""
    return {_parameter(name): list(values) for name, values in zip(columns, zip(*rows, strict=True), strict=True)}


def _parameter(column: str) -> str:
    # SQLAlchemy takes a parameter with the very name of a column for that column's new value.
    return f"all_{column}"
