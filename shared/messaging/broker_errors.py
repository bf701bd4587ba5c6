"""What goes wrong between us and the broker, told apart and in words."""

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

import aiormq
from aiormq.base import Base

NOT_ALLOWED: Final = 530
LOST: Final = (OSError, TimeoutError, aiormq.AMQPError, aiormq.ChannelInvalidStateError)
"""What aiormq raises when a connection or channel goes away or is refused.

RuntimeError is one of its ways to say closed.
"""

Result = TypeVar("Result")


async def unless_lost(awaitable: Awaitable[Result]) -> Result:
    """Awaits something of aiormq's, which cancels what waits when it closes: that becomes a ConnectionError here.

    A CancelledError that gets through is meant for the task that calls this. aiormq gives a reason for closing even to
    a task that somebody cancels at that moment, who would never hear of it: that is a CancelledError too.
    """
    task = asyncio.current_task()
    cancellations = task.cancelling() if task is not None else 0
    try:
        return await awaitable
    except asyncio.CancelledError as error:
        if task is not None and task.cancelling():
            raise
        raise ConnectionError("closed while waiting") from error
    except Exception as error:
        if task is not None and task.cancelling() > cancellations:
            raise asyncio.CancelledError from error
        raise


async def closing_reason(resource: Base) -> str:
    """Waits until a connection or channel has closed and says why."""
    closing = resource.closing
    await asyncio.wait({closing})
    if closing.cancelled():
        return "closed"
    return in_words(closing.exception())


def in_words(error: BaseException | None) -> str:
    """One line for a log or `/readyz`."""
    if error is None:
        return "closed"
    text = " ".join(str(argument) for argument in error.args if argument is not None)
    return text or type(error).__name__


def is_refusal(error: BaseException) -> bool:
    """Whether the broker said no to who we are or to the virtual host, which trying again won't change."""
    if isinstance(error, aiormq.ProbableAuthenticationError | aiormq.AuthenticationError):
        return True
    return isinstance(error, aiormq.ConnectionClosed) and error.args[:1] == (NOT_ALLOWED,)
