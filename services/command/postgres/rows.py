"""Many rows in one statement: one array for each column, unnested side by side."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Insert, Select, Table, Text, bindparam, cast, func, insert, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB


def insert_rows(table: Table, *columns: str) -> Insert:
    """`INSERT INTO table (columns) SELECT unnest(…), …`; run it with the parameters of `in_columns`."""
    return insert(table).from_select(columns, unnested(table, *columns))


def unnested(table: Table, *columns: str) -> Select[Any]:
    """A row for each element of the arrays, which have the names of the columns. JSON goes in as text."""
    elements = []
    for name in columns:
        type_ = table.c[name].type
        if isinstance(type_, JSONB):
            elements.append(cast(func.unnest(bindparam(_parameter(name), type_=ARRAY(Text))), JSONB).label(name))
        else:
            elements.append(func.unnest(bindparam(_parameter(name), type_=ARRAY(type_)), type_=type_).label(name))
    return select(*elements)


def in_columns(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Mapping[str, list[Any]]:
    """Rows turned into one list for each column; `rows` may not be empty."""
    return {_parameter(name): list(values) for name, values in zip(columns, zip(*rows, strict=True), strict=True)}


def _parameter(column: str) -> str:
    # SQLAlchemy takes a parameter with the very name of a column for that column's new value.
    return f"all_{column}"
