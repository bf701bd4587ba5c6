"""An INSERT of many rows, alone or with others in one statement."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Executable, Insert, Table, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.command.postgres.rows import NOW, in_columns, in_common, unnested

# Materialized, or it would be looked up with each row, as late as a default.
_OWN_TRANSACTION = select(func.pg_current_xact_id().label("id")).cte("own_transaction").prefix_with("MATERIALIZED")


class Addition(NamedTuple):
    """Rows on their way into a table. `is_same`: the columns that are `often_same` are so in all of them."""

    insert: "RowInsert"
    is_same: bool
    parameters: dict[str, Any]


class RowInsert:
    """`INSERT INTO table (columns) SELECT unnest(…), …`, to be awaited with the connection and the rows.

    The columns that `now` names get the one time that it is called with. Those that `often_same` names travel as one
    value where they have only one, and nearly always they have: to encode an array costs asyncpg 0.3 µs an element.
    What is `returning` comes as one list a column, side by side, for a row each would cost a microsecond.

    The column that `transaction` names gets the id of the transaction, which has it then before any default of a row is
    looked up. (Left to its own default it came after that of the columns before it. What else is in the statement does
    not help: PostgreSQL runs that when it likes.)
    """

    def __init__(
        self,
        table: Table,
        columns: Sequence[str],
        *,
        now: Sequence[str] = (),
        often_same: Sequence[str] = (),
        returning: Sequence[str] = (),
        transaction: str | None = None,
    ) -> None:
        self.table = table
        self.returning = returning
        self._columns = columns
        self._now = now
        self._often_same = often_same
        self._transaction = transaction
        self._prefix = f"{table.name}_"

    def of(self, rows: Iterable[Sequence[Any]]) -> Addition:
        """There must be a row."""
        parameters: dict[str, Any] = in_columns(self._columns, rows, self._prefix)
        common = in_common(self._often_same, parameters, self._prefix)
        parameters.update(common or {})
        return Addition(self, common is not None, parameters)

    async def __call__(
        self, connection: AsyncConnection, rows: Iterable[Sequence[Any]], *, now: datetime | None = None
    ) -> Sequence[list[Any]]:
        """There must be a row. Raises IntegrityError, and what else the store raises."""
        return await insert_together(connection, [self.of(rows)], now=now)

    def adding(self, *, is_same: bool) -> Insert:
        same = self._often_same if is_same else ()
        rows = unnested(self.table, *self._columns, now=self._now, same=same, prefix=self._prefix)
        columns = [*self._columns, *self._now]
        if self._transaction is not None:
            columns.append(self._transaction)
            rows = rows.add_columns(_OWN_TRANSACTION.c.id)
        return insert(self.table).from_select(columns, rows)


async def insert_together(
    connection: AsyncConnection, additions: Sequence[Addition], *, now: datetime | None = None
) -> Sequence[list[Any]]:
    """Rows of different tables in one statement: a way to the server for each would cost more than the rows. Gives what
    the last one is returning.

    Raises IntegrityError, and what else the store raises.
    """
    parameters: dict[str, Any] = {} if now is None else {NOW: now}
    for addition in additions:
        parameters.update(addition.parameters)
    statement = _together(tuple((addition.insert, addition.is_same) for addition in additions))
    result = await connection.execute(statement, parameters)
    return tuple(result.one()) if result.returns_rows else ()


@cache
def _together(parts: tuple[tuple[RowInsert, bool], ...]) -> Executable:
    *others, (last, is_same) = parts
    beside = [each.adding(is_same=same).cte(f"new_{each.table.name}") for each, same in others]
    adding = last.adding(is_same=is_same)
    if not last.returning:
        return adding.add_cte(*beside)
    new = adding.returning(*(last.table.c[name] for name in last.returning)).cte("new")
    return select(*(func.array_agg(new.c[name]) for name in last.returning)).add_cte(*beside)
