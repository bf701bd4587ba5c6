"""Many rows in one statement: one array for each column, unnested side by side."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Table, Text, bindparam, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

NOW: Final = "now"
"""The parameter of those columns that are the same time in each row."""
_PREFIX: Final = "all_"
# SQLAlchemy takes a parameter with the very name of a column for that column's new value.


def unnested(
    table: Table, *columns: str, now: Sequence[str] = (), same: Sequence[str] = (), prefix: str = _PREFIX
) -> Select[Any]:
    """A row for each element of the arrays, which have the names of the columns after the prefix. JSON goes in as text.

    Run it with the parameters of `in_columns`. Columns that `now` names have the value of the parameter NOW in each
    row, and those that `same` names have one of their own.
    """
    elements: list[ColumnElement[Any]] = []
    for name in columns:
        type_ = table.c[name].type
        if name in same:
            elements.append(bindparam(prefix + name, type_=type_).label(name))
        elif isinstance(type_, JSONB):
            elements.append(cast(func.unnest(bindparam(prefix + name, type_=ARRAY(Text))), JSONB).label(name))
        else:
            elements.append(func.unnest(bindparam(prefix + name, type_=ARRAY(type_)), type_=type_).label(name))
    return select(*elements, *(bindparam(NOW, type_=table.c[name].type).label(name) for name in now))


def in_columns(columns: Sequence[str], rows: Iterable[Sequence[Any]], prefix: str = _PREFIX) -> dict[str, list[Any]]:
    """Rows turned into one list for each column; `rows` may not be empty."""
    return {prefix + name: list(values) for name, values in zip(columns, zip(*rows, strict=True), strict=True)}


def in_common(
    columns: Sequence[str], parameters: Mapping[str, list[Any]], prefix: str = _PREFIX
) -> dict[str, Any] | None:
    """One value for each of these columns, where it has one only in all rows; else None."""
    values = {prefix + name: parameters[prefix + name] for name in columns}
    if any(column.count(column[0]) != len(column) for column in values.values()):
        return None
    return {name: column[0] for name, column in values.items()}
