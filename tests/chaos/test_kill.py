"""`kill -9` in the middle of a load: after the restart every promise still holds."""

import asyncio
import uuid

import pytest

from tests.support.load import History, LoadClient, plan
from tests.support.oracle import assert_everything_holds
from tests.support.stack import Stack


@pytest.mark.parametrize("victims", [["command"], ["query"], ["command", "query"]])
async def test_a_service_killed_under_load_loses_nothing_and_does_nothing_twice(
    stack: Stack, victims: list[str]
) -> None:
    prefix = f"kill-{uuid.uuid4().hex[:8]}"
    sent = plan(seed=2, commands=2000, users=500, duplicates=0.1, prefix=prefix)
    history = History()
    clients = [LoadClient(stack.env["CQRS_AMQP_URL"], history) for _ in range(4)]

    async def kill_in_the_middle() -> None:
        for share in (0.25, 0.5, 0.75):
            while len(history.confirmed) < share * 2000:
                await asyncio.sleep(0.01)
            for victim in victims:
                await asyncio.to_thread(stack.kill, victim)
            for victim in victims:
                await asyncio.to_thread(stack.start, victim)

    await asyncio.gather(
        kill_in_the_middle(), *(client.publish(sent[number::4]) for number, client in enumerate(clients))
    )

    await assert_everything_holds(stack.env, sent, prefix)
