"""A client that reads what others wrote, with consistency tokens, and remembers the newest version of each user."""

import asyncio
from collections import defaultdict
from contextlib import suppress
from random import Random

from tests.chaos.history import History
from tests.support.ask import Asker

MAX_WAIT_MS = 2000
ANSWER_SECONDS = 5.0


class Reader:
    """Any answer may be late or `stale_read`; one that says ok may not be older than its token or what was seen."""

    def __init__(self, amqp_url: str, history: History, rng: Random) -> None:
        self._amqp_url = amqp_url
        self._history = history
        self._rng = rng
        self._newest: dict[str, int] = defaultdict(int)

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            with suppress(Exception):
                await self._session(stop)
            await asyncio.sleep(0.3)

    async def _session(self, stop: asyncio.Event) -> None:
        asker = Asker(self._amqp_url)
        await asker.__aenter__()
        try:
            while not stop.is_set():
                if self._history.answered_after:
                    await self._ask(asker)
                await asyncio.sleep(0.05)
        finally:
            with suppress(Exception):
                async with asyncio.timeout(2):
                    await asker.__aexit__()

    async def _ask(self, asker: Asker) -> None:
        user_id, version = self._rng.choice(self._history.answered_after)
        asked = version if self._rng.random() < 0.5 else 0  # without a token a version may not go back either
        token = {"consistency-token": f"user/{user_id}@{version}", "max-wait-ms": MAX_WAIT_MS} if asked else None
        floor = self._newest[user_id]
        answer = await asker.ask("GetUserById", timeout=ANSWER_SECONDS, headers=token, user_id=user_id)
        if answer["status"] == "error":
            code = answer["error"]["code"]
            if code == "user_not_found" and not asked and not floor:
                code = "not there yet"
            self._history.has_answer(user_id, asked=asked, floor=floor, seen=None, code=code)
            return
        seen = answer["data"]["version"]
        self._history.has_answer(user_id, asked=asked, floor=floor, seen=seen, code=None)
        self._newest[user_id] = max(floor, seen)
