"""SIGTERM under load: exit code 0 within the grace period, and every promise still holds."""

import asyncio
import time
import uuid

import pytest

from tests.support.load import History, LoadClient, plan
from tests.support.oracle import assert_everything_holds
from tests.support.stack import Stack

GRACE_SECONDS = 25.0


@pytest.mark.timeout(240)
async def test_a_service_told_to_stop_under_load_drains_and_exits_with_zero(stack: Stack) -> None:
    prefix = f"term-{uuid.uuid4().hex[:8]}"
    sent = plan(seed=4, commands=2000, users=500, duplicates=0.1, prefix=prefix)
    history = History()
    clients = [LoadClient(stack.env["CQRS_AMQP_URL"], history) for _ in range(4)]

    async def stop_in_the_middle() -> None:
        for share, service in ((0.2, "command"), (0.4, "query"), (0.6, "command"), (0.8, "query")):
            while len(history.confirmed) < share * 2000:
                await asyncio.sleep(0.01)
            started = time.monotonic()
            exit_code = await asyncio.to_thread(stack.terminate, service)
            assert time.monotonic() - started < GRACE_SECONDS
            assert exit_code == 0
            await asyncio.to_thread(stack.start, service)

    await asyncio.gather(
        stop_in_the_middle(), *(client.publish(sent[number::4]) for number, client in enumerate(clients))
    )

    await assert_everything_holds(stack.env, sent, prefix)
