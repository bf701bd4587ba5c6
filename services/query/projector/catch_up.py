"""A read model that is behind, brought up to date from the log."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing

from services.query.projector.folded_projection import FoldedProjection
from services.query.projector.log_reader import LogReader


async def catch_up(
    reader: LogReader,
    projection: FoldedProjection,
    aggregate_type: str,
    position: int,
    reached: Callable[[int], Awaitable[None]],
) -> int:
    """Applies everything after a position, up to what is settled by the end of it; gives the position of that.

    All up to `position` must have been applied. `reached` is told after each page how far that now goes. What the
    projection has already is dropped by it, so that live events may come in between. Raises EventLogUnavailableError,
    PyMongoError and ContendedError; to go on where `reached` was told last.
    """
    async with aclosing(reader.after(position)) as pages:
        async for page in pages:
            if mine := [event for event in page.events if event.envelope.aggregatetype == aggregate_type]:
                await projection.apply(mine)
            position = page.position
            await reached(position)
    return position
