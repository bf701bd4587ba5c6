"""A read model that is behind, brought up to date from the log."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing

from services.query.domain_event import DomainEvent
from services.query.projector.log_reader import LogReader


async def catch_up(
    reader: LogReader,
    apply: Callable[[Sequence[DomainEvent]], Awaitable[object]],
    aggregate_type: str,
    position: int,
    reached: Callable[[int], Awaitable[None]],
) -> int:
    """Applies everything after a position, up to what is settled by the end of it; gives the position of that.

    All up to `position` must have been applied. `reached` is told after each page how far that now goes. `apply` must
    drop what it has already, so that live events may come in between. Raises EventLogUnavailableError,
    PyMongoError and ContendedError; to go on where `reached` was told last.
    """
    async with aclosing(reader.after(position)) as pages:
        async for page in pages:
            if mine := [event for event in page.events if event.aggregate_type == aggregate_type]:
                await apply(mine)
            position = page.position
            await reached(position)
    return position
