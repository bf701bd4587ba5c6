"""Users who are created and then renamed again and again, through the system's own client."""

import asyncio
import time
from collections.abc import Sequence

from shared.client import CqrsClient
from shared.contracts.commands import CreateUser, RenameUser

TICK_SECONDS = 0.05


async def create(client: CqrsClient, user_ids: Sequence[str]) -> None:
    """Returns when the last of them can be read."""
    await client.send_many(
        [CreateUser(user_id=user_id, name="First Name", email=f"{user_id}@example.com") for user_id in user_ids[:-1]]
    )
    last = user_ids[-1]
    await client.send_and_wait(CreateUser(user_id=last, name="First Name", email=f"{last}@example.com"), timeout=120)


async def rename(client: CqrsClient, user_ids: Sequence[str], per_second: float, seconds: float) -> tuple[int, float]:
    """Renames them in turn at that rate, open loop; gives how many commands were sent and how many seconds it took.

    Every user ends at the same version, give or take one.
    """
    began, sent = time.monotonic(), 0
    while (passed := time.monotonic() - began) < seconds:
        due = int(passed * per_second) - sent
        if due > 0:
            names = (f"Name {number}" for number in range(sent, sent + due))
            await client.send_many(
                [
                    RenameUser(user_id=user_ids[number % len(user_ids)], name=name)
                    for number, name in enumerate(names, start=sent)
                ]
            )
            sent += due
        await asyncio.sleep(TICK_SECONDS)
    return sent, time.monotonic() - began
