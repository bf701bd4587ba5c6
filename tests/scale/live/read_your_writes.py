"""Command, outcome, query with its token: 10,000 times under load, and what the waiting costs without any."""

import asyncio
import time
from itertools import count

from services.query.mongo.client import database_of, mongo_client
from shared.client import CqrsClient
from shared.contracts.answer import Answered
from shared.contracts.commands import CreateUser, RenameUser
from shared.contracts.outcome import Accepted
from shared.contracts.queries import GetUserById
from tests.scale.live.figures import Figures, milliseconds, quantile

AT_ONCE = 64
ALONE = 200
LONGEST_WAIT = 30.0


async def under_load(amqp_url: str, figures: Figures, *, times: int) -> None:
    stale: list[str] = []
    waits: list[float] = []
    numbers = iter(range(times))

    async def client_at_work(client: CqrsClient, worker: int) -> None:
        user_id = f"own-{worker}"
        for turn, _ in zip(count(), numbers, strict=False):
            command = (
                CreateUser(user_id=user_id, name="Name 0", email=f"{user_id}@example.com")
                if turn == 0
                else RenameUser(user_id=user_id, name=f"Name {turn}")
            )
            outcome = await client.send_and_wait(command, timeout=120)
            assert isinstance(outcome, Accepted), outcome
            began = time.monotonic()
            answer = await client.ask(
                GetUserById(user_id=user_id),
                consistency_token=outcome.consistency_token,
                max_wait=LONGEST_WAIT,
                timeout=LONGEST_WAIT + 10,
            )
            waits.append(time.monotonic() - began)
            if not isinstance(answer, Answered) or answer.data.version < outcome.version:
                stale.append(f"{outcome.consistency_token}: {answer}"[:200])

    async with CqrsClient.connect(amqp_url, name="scale: own writes", read_your_writes=False) as client:
        began = time.monotonic()
        await asyncio.gather(*(client_at_work(client, worker) for worker in range(AT_ONCE)))
        took = time.monotonic() - began
    figures.say(
        f"read your writes: {len(waits)} times, {AT_ONCE} at once, {len(waits) / took:.0f}/s: {len(stale)} stale; "
        f"the query took {milliseconds(waits)}"
    )
    figures.must(not stale and len(waits) == times, f"an answer shows its asker's writes: {stale[:5]}")


async def alone(amqp_url: str, mongo_url: str, figures: Figures) -> None:
    """Without load: from the outcome to the answer with its token, beside from the outcome to the document in MongoDB
    and a query that waits for nothing, in turns.
    """
    async with (
        CqrsClient.connect(amqp_url, name="scale: alone", read_your_writes=False) as client,
        mongo_client(mongo_url) as mongo,
    ):
        users = database_of(mongo)["users.g1"]
        await client.send_and_wait(CreateUser(user_id="alone", name="Name", email="alone@example.com"))
        answered, visible, plain = [], [], []
        for turn in range(ALONE):
            outcome = await client.send_and_wait(RenameUser(user_id="alone", name=f"Name {turn}"))
            assert isinstance(outcome, Accepted)
            began = time.monotonic()
            if turn % 2:
                await client.ask(GetUserById(user_id="alone"), consistency_token=outcome.consistency_token)
                answered.append(time.monotonic() - began)
            else:
                while not await users.find_one({"_id": "alone", "version": {"$gte": outcome.version}}):
                    await asyncio.sleep(0.0005)
                visible.append(time.monotonic() - began)
                began = time.monotonic()
                await client.ask(GetUserById(user_id="alone"))
                plain.append(time.monotonic() - began)
    wait = quantile(answered, 0.5) - quantile(plain, 0.5)
    figures.say(
        f"without load, {ALONE} times: with a token {milliseconds(answered)}; without {milliseconds(plain)}; from the "
        f"outcome until it is in MongoDB {milliseconds(visible)}: the wait adds {wait * 1000:.1f} ms"
    )
