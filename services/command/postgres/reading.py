"""Rows of different tables, read in one statement: a way to the server for each would cost more than the rows."""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import CompoundSelect, Select, cast, literal_column, null, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection


class Reading(NamedTuple):
    """What to read. `statement` is one that is made once: its identity is that of the statement it becomes part of."""

    statement: Select[Any]
    parameters: dict[str, Any]


async def read_together(connection: AsyncConnection, readings: Sequence[Reading]) -> list[list[Sequence[Any]]]:
    """The rows of each of the readings, all of them of one moment. Raises what the store raises."""
    found: list[list[Sequence[Any]]] = [[] for _ in readings]
    if not readings:
        return found
    statement, places = _together(tuple(reading.statement for reading in readings))
    parameters = {name: value for reading in readings for name, value in reading.parameters.items()}
    for number, *values in await connection.execute(statement, parameters):
        found[number].append(values[places[number]])
    return found


@cache
def _together(statements: tuple[Select[Any], ...]) -> tuple[CompoundSelect[Any], Sequence[slice]]:
    """One result that has the columns of all of them side by side, where each row leaves those of the others empty."""
    columns = [list(statement.selected_columns) for statement in statements]
    empty = [[cast(null(), column.type) for column in each] for each in columns]
    parts, places, start = [], [], 0
    for number, (statement, own) in enumerate(zip(statements, columns, strict=True)):
        rows = statement.subquery()
        before = [column for each in empty[:number] for column in each]
        after = [column for each in empty[number + 1 :] for column in each]
        parts.append(select(literal_column(str(number)), *before, *rows.c, *after))
        places.append(slice(start, start + len(own)))
        start += len(own)
    return union_all(*parts), places
