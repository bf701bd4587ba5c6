"""`cqrs events`: domain events as they happen."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from services.ops.assignments import did_you_mean
from services.ops.connection import connected
from services.ops.errors import UsageError
from services.ops.exit_code import ExitCode
from services.ops.rendering.event import event_line
from services.ops.terminal import note, show, show_json
from shared.client import CqrsClient
from shared.client_errors import NotConnectedError, SubscriptionLostError
from shared.contracts.cloud_event import CloudEvent
from shared.contracts.events import EVENTS
from shared.messaging.backoff import Backoff

app = App(name="events", help="Domain events as they happen.")


@app.command
async def tail(
    *,
    type: list[str] | None = None,  # noqa: A002 - the option is --type
    aggregate: str | None = None,
    count: Annotated[int | None, Parameter(validator=Number(gt=0))] = None,
    json: bool = False,
) -> ExitCode:
    """Show domain events from now on, until Ctrl-C.

    Parameters
    ----------
    type
        Only events of this type, such as UserCreated; may be given several times.
    aggregate
        Only events of this aggregate, such as user/alice.
    count
        End after so many events.
    json
        One JSON document (CloudEvents) per line on stdout.
    """
    for name in type or ():
        if name not in EVENTS:
            raise UsageError(f"there is no event {name!r}{did_you_mean(name, EVENTS)}; there are: {', '.join(EVENTS)}")
    if aggregate is not None and "/" not in aggregate:
        raise UsageError(f"--aggregate {aggregate}: an aggregate looks like user/alice")
    left = count
    keys = [f"*.{name}" for name in type or ()] or ["#"]
    async with connected() as client, aclosing(_events(client, keys)) as events:
        async for event in events:
            if aggregate is not None and event.subject != aggregate:
                continue
            show_json(event.model_dump(mode="json", exclude_none=True)) if json else show(event_line(event))
            left = None if left is None else left - 1
            if left == 0:
                break
    return ExitCode.OK


async def _events(client: CqrsClient, keys: list[str]) -> AsyncGenerator[CloudEvent, None]:
    """Goes on after a lost connection, and says that something may be missing."""
    backoff, losses = Backoff(), 0
    while True:
        try:
            async with client.events(*keys) as events:
                note("listening for events; Ctrl-C ends")
                async for event in events:
                    losses = 0
                    yield event
        except (SubscriptionLostError, NotConnectedError) as error:
            losses += 1
            note(f"{error}; trying again", style="yellow")
            await asyncio.sleep(backoff.delay(losses))
