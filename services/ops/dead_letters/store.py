"""Dead letters in PostgreSQL: found, counted and cleared."""

from collections.abc import Sequence

from sqlalchemy import and_, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ops.dead_letters.letter import DeadLetter, Group
from services.ops.dead_letters.selection import Selection
from services.ops.dead_letters.table import dead_letters


class DeadLetterStore:
    """Raises what the engine raises."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def groups(self, selection: Selection) -> list[Group]:
        """By reason and type, the largest first."""
        columns = dead_letters.c
        query = (
            select(
                columns.reason,
                columns.type,
                func.count(),
                func.sum(columns.attempts),
                func.min(columns.first_seen),
                func.max(columns.last_seen),
            )
            .where(selection.condition())
            .group_by(columns.reason, columns.type)
            .order_by(func.count().desc(), columns.reason, columns.type)
        )
        async with self._engine.connect() as connection:
            return [Group(*row) for row in await connection.execute(query)]

    async def ids(self, selection: Selection, *, limit: int | None = None) -> list[int]:
        """Oldest first, which is the order in which they failed."""
        query = select(dead_letters.c.id).where(selection.condition()).order_by(dead_letters.c.id).limit(limit)
        async with self._engine.connect() as connection:
            return list((await connection.execute(query)).scalars())

    async def letters(self, selection: Selection, *, limit: int | None = None) -> list[DeadLetter]:
        """Oldest first, with everything that they carried."""
        query = select(dead_letters).where(selection.condition()).order_by(dead_letters.c.id).limit(limit)
        async with self._engine.connect() as connection:
            return [DeadLetter(**row) for row in (await connection.execute(query)).mappings()]

    async def newest_id(self) -> int:
        """0 when there is none."""
        async with self._engine.connect() as connection:
            return int((await connection.execute(select(func.coalesce(func.max(dead_letters.c.id), 0)))).scalar_one())

    async def remove_unchanged(self, letters: Sequence[DeadLetter]) -> set[int]:
        """Deletes those that are as they were read, and gives their ids.

        A letter that was delivered again meanwhile, and failed again, is noted on the row that is there: to delete that
        one would be to lose it.
        """
        columns = dead_letters.c
        as_read = (
            and_(columns.id == it.id, columns.last_seen == it.last_seen, columns.attempts == it.attempts)
            for it in letters
        )
        query = delete(dead_letters).where(or_(*as_read)).returning(columns.id)
        async with self._engine.connect() as connection:
            return set((await connection.execute(query)).scalars())

    async def remove(self, ids: Sequence[int]) -> int:
        """How many of them there were."""
        async with self._engine.connect() as connection:
            return (await connection.execute(delete(dead_letters).where(Selection(ids=ids).condition()))).rowcount
