"""Clients who go on working: what they write they ask for, and what they once saw they must see again."""

import asyncio
import random
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from shared.client import CqrsClient
from shared.contracts.base import Command
from shared.contracts.commands import CreateUser, RenameUser
from shared.contracts.outcome import Accepted
from tests.scale.log_filling import filled_user
from tests.support.ask import Asker

TICK_SECONDS = 0.05
ASKED_ABOUT = 200
WAIT_MS = 5000


@dataclass
class Traffic:
    """`per_second` renames and creations, and as many queries: each about a user who was written just now. Beside them
    a fourth as many about the users 1 … `filled` of the filled log, who never change (0: there are none).

    A query asks for the version that its command's outcome named. Wrong is an answer with an error, one of an older
    version than somebody has seen before, and one with another name than that version has.
    """

    amqp_url: str
    per_second: int
    filled: int = 0
    seed: int = 1
    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    slowest: float = 0.0
    names: dict[tuple[str, int], str] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Until `stopping` is set and everything sent has been answered."""
        chance = random.Random(self.seed)
        users = [f"live-{uuid.uuid4().hex[:10]}" for _ in range(ASKED_ABOUT)]
        loop = asyncio.get_running_loop()
        async with CqrsClient.connect(self.amqp_url) as client, Asker(self.amqp_url) as asker:
            busy: dict[str, asyncio.Task[None]] = {}
            asked: set[asyncio.Task[None]] = set()
            began, sent = loop.time(), 0
            while not self.stopping.is_set():
                await asyncio.sleep(TICK_SECONDS)
                due = int((loop.time() - began) * self.per_second) - sent
                sent += due
                free = [user for user in users if user not in busy or busy[user].done()]
                for user in chance.sample(free, min(due, len(free))):
                    busy[user] = asyncio.create_task(self._write_and_ask(client, asker, user))
                for _ in range(due // 4 if self.filled else 0):
                    task = asyncio.create_task(self._ask_of_filled(asker, chance.randint(1, self.filled)))
                    asked.add(task)
                    task.add_done_callback(asked.discard)
            await asyncio.gather(*busy.values(), *asked)

    async def _ask_of_filled(self, asker: Asker, number: int) -> None:
        expected = filled_user(number)
        answer = await self._ask(asker, expected["user_id"], {})
        if answer is not None and answer | expected != answer:
            self.wrong.append(f"answer about user {number}: {answer} instead of {expected}")

    async def _write_and_ask(self, client: CqrsClient, asker: Asker, user: str) -> None:
        name = f"Name {uuid.uuid4().hex[:8]}"
        new = user not in self.seen
        command: Command = RenameUser(user_id=user, name=name)
        if new:
            command = CreateUser(user_id=user, name=name, email=f"{user}@example.com")
        try:
            outcome = await client.send_and_wait(command, timeout=30)
        except Exception as error:
            self.wrong.append(f"command: {type(error).__name__}: {error}")
            return
        if not isinstance(outcome, Accepted):
            self.wrong.append(f"command: {outcome.error.code}")
            return
        self.counts["commands"] += 1
        version = outcome.version
        self.names[user, version] = name
        headers = {"consistency-token": f"user/{user}@{version}", "max-wait-ms": WAIT_MS}
        data = await self._ask(asker, user, headers)
        if data is None:
            return
        least = max(version, self.seen.get(user, 0))
        if data["version"] < least or data["name"] != self.names.get((user, data["version"]), data["name"]):
            self.wrong.append(f"answer about {user}: version {data['version']} after {least}")
        self.seen[user] = max(data["version"], least)

    async def _ask(self, asker: Asker, user: str, headers: dict[str, Any]) -> dict[str, Any] | None:
        """What the answer says; None when it says that something failed."""
        began = asyncio.get_running_loop().time()
        try:
            answer = await asker.ask("GetUserById", headers=headers, user_id=user)
        except Exception as error:
            self.wrong.append(f"query: {type(error).__name__}: {error}")
            return None
        self.slowest = max(self.slowest, asyncio.get_running_loop().time() - began)
        self.counts["queries"] += 1
        if answer["status"] != "ok":
            self.wrong.append(f"answer: {answer['error']}")
            return None
        data: dict[str, Any] = answer["data"]
        return data
