"""Our client, measured as the peers' are: `shared/client.py`, which Python programs use."""

import os

import uvloop

from shared.client import CqrsClient
from shared.contracts.answer import Answered
from shared.contracts.queries import GetUserById
from tests.benchmarks.peers.asking import measured


async def main() -> None:
    async with CqrsClient.connect(os.environ["BENCH_AMQP_URL"]) as client:

        async def ask(user_id: str) -> None:
            answer = await client.ask(GetUserById(user_id=user_id))
            assert isinstance(answer, Answered)

        await measured(ask)


if __name__ == "__main__":
    uvloop.run(main())
