"""An INSERT of many rows, alone or with others in one statement."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import CTE, ColumnElement, Executable, Select, Table, func, literal_column, select
from sqlalchemy.dialects.postgresql import Insert, aggregate_order_by, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.command.postgres.rows import NOW, in_columns, in_common, unnested

# Materialized, or it would be looked up with each row, as late as a default.
_OWN_TRANSACTION = select(func.pg_current_xact_id().label("id")).cte("own_transaction").prefix_with("MATERIALIZED")

Values: TypeAlias = Mapping[str, ColumnElement[Any]]


class OnConflict(NamedTuple):
    """What becomes of a row whose key is there already: `update` takes the columns of the new one."""

    key: str
    update: Callable[[Values], Values]


class Addition(NamedTuple):
    """Rows on their way into a table. `is_same`: the columns that are `often_same` are so in all of them."""

    insert: "RowInsert"
    is_same: bool
    parameters: dict[str, Any]


class RowInsert:
    """`INSERT INTO table (columns) SELECT unnest(…), …`, to be run with others by `insert_together`.

    The columns that `now` names get the one time of the statement. Those that `often_same` names travel as one value
    where they have only one, and nearly always they have: to encode an array costs asyncpg 0.3 µs an element.

    `returning` names a column that counts up from row to row: its values come as one list, in the order of the rows.

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
        returning: str | None = None,
        transaction: str | None = None,
        on_conflict: OnConflict | None = None,
        prefix: str | None = None,
    ) -> None:
        self.table = table
        self.returning = returning
        self.prefix = prefix or f"{table.name}_"
        self._columns = columns
        self._now = now
        self._often_same = often_same
        self._transaction = transaction
        self._on_conflict = on_conflict

    @property
    def name(self) -> str:
        """Of the rows as others in the statement may read them."""
        return f"new_{self.prefix.removesuffix('_')}"

    def of(self, rows: Iterable[Sequence[Any]]) -> Addition:
        """There must be a row."""
        parameters: dict[str, Any] = in_columns(self._columns, rows, self.prefix)
        common = in_common(self._often_same, parameters, self.prefix)
        parameters.update(common or {})
        return Addition(self, common is not None, parameters)

    def adding(self, *, is_same: bool) -> Insert:
        columns, rows = self.rows(self._often_same if is_same else ())
        adding = insert(self.table).from_select(columns, rows)
        if self._on_conflict is None:
            return adding
        key, update = self._on_conflict
        changes = dict(update(dict(adding.excluded)))
        return adding.on_conflict_do_update(index_elements=[self.table.c[key]], set_=changes)

    def rows(self, same: Sequence[str]) -> tuple[list[str], Select[Any]]:
        """The columns to fill, and what to fill them with."""
        rows = unnested(self.table, *self._columns, now=self._now, same=same, prefix=self.prefix)
        columns = [*self._columns, *self._now]
        if self._transaction is not None:
            columns.append(self._transaction)
            rows = rows.add_columns(_OWN_TRANSACTION.c.id)
        return columns, rows


async def insert_together(
    connection: AsyncConnection, additions: Sequence[Addition], *, now: datetime
) -> dict[RowInsert, list[Any]]:
    """Rows of different tables in one statement: a way to the server for each would cost more than the rows. Gives what
    those are returning that do.

    Raises IntegrityError, and what else the store raises.
    """
    parameters: dict[str, Any] = {NOW: now}
    for addition in additions:
        parameters.update(addition.parameters)
    statement = _together(tuple((addition.insert, addition.is_same) for addition in additions))
    row = (await connection.execute(statement, parameters)).one()
    returning = [addition.insert for addition in additions if addition.insert.returning is not None]
    return dict(zip(returning, row[1:], strict=True))


@cache
def _together(parts: tuple[tuple[RowInsert, bool], ...]) -> Executable:
    beside: list[CTE] = []
    returned: list[ColumnElement[Any]] = []
    for each, is_same in parts:
        adding = each.adding(is_same=is_same)
        if each.returning is None:
            beside.append(adding.cte(each.name))
            continue
        new = adding.returning(each.table.c[each.returning]).cte(each.name)
        beside.append(new)
        column = new.c[each.returning]
        returned.append(select(func.array_agg(aggregate_order_by(column, column))).scalar_subquery())
    return select(literal_column("1"), *returned).add_cte(*beside)
