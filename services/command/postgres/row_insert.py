"""An INSERT of many rows."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Executable, Table, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.command.postgres.rows import NOW, in_columns, in_common, unnested


class RowInsert:
    """`INSERT INTO table (columns) SELECT unnest(…), …`, to be awaited with the connection and the rows.

    The columns that `now` names get the one time that it is called with. Those that `often_same` names travel as one
    value where they have only one, and nearly always they have: to encode an array costs asyncpg 0.3 µs an element.
    What is `returning` comes as one list a column, side by side, for a row each would cost a microsecond.
    """

    def __init__(
        self,
        table: Table,
        columns: Sequence[str],
        *,
        now: Sequence[str] = (),
        often_same: Sequence[str] = (),
        returning: Sequence[str] = (),
    ) -> None:
        self._columns = columns
        self._often_same = often_same
        self._all_differ = _statement(table, columns, now, (), returning)
        self._some_same = _statement(table, columns, now, often_same, returning)

    async def __call__(
        self, connection: AsyncConnection, rows: Iterable[Sequence[Any]], *, now: datetime | None = None
    ) -> Sequence[list[Any]]:
        """There must be a row. Raises IntegrityError, and what else the store raises."""
        parameters: dict[str, Any] = in_columns(self._columns, rows)
        common = in_common(self._often_same, parameters)
        statement = self._all_differ if common is None else self._some_same
        parameters.update(common or {})
        if now is not None:
            parameters[NOW] = now
        result = await connection.execute(statement, parameters)
        return tuple(result.one()) if result.returns_rows else ()


def _statement(
    table: Table, columns: Sequence[str], now: Sequence[str], same: Sequence[str], returning: Sequence[str]
) -> Executable:
    adding = insert(table).from_select((*columns, *now), unnested(table, *columns, now=now, same=same))
    if not returning:
        return adding
    new = adding.returning(*(table.c[name] for name in returning)).cte("new")
    return select(*(func.array_agg(new.c[name]) for name in returning))
