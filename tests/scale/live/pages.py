"""Pages and searches among very many users, measured in turns."""

import random
import time
from collections import defaultdict
from typing import Any

from tests.scale.live.figures import Figures, milliseconds, quantile
from tests.scale.live.population import Population, user_id
from tests.support.ask import Asker

LIMIT = 50
FAR_PAGE = 1_000
SEARCHES = ("one name", "two names", "three letters each", "two letters each", "a name and example")


async def pages_and_searches(amqp_url: str, figures: Figures, *, users: int, rounds: int) -> None:
    far = min(FAR_PAGE, users // LIMIT)
    chance, population = random.Random(7), Population(1)
    took: dict[str, list[float]] = defaultdict(list)
    async with Asker(amqp_url) as asker:

        async def timed(name: str, query: str, **body: Any) -> dict[str, Any]:
            began = time.monotonic()
            answer = await asker.ask(query, timeout=60, **body)
            took[name].append(time.monotonic() - began)
            assert answer["status"] == "ok", answer
            return answer

        cursor: dict[str, Any] = {}
        for _ in range(far - 1):
            answer = await asker.ask("GetAllUsers", limit=LIMIT, **cursor)
            cursor = {"cursor": answer["data"]["next_cursor"]}
        for _ in range(rounds):
            await timed("GetUserById", "GetUserById", user_id=user_id(chance.randrange(users)))
            await timed("page 1", "GetAllUsers", limit=LIMIT)
            await timed(f"page {far}", "GetAllUsers", limit=LIMIT, **cursor)
            for kind in SEARCHES:
                await timed(f"search: {kind}", "SearchUsers", text=_text(kind, population.name(chance)))
    figures.say(f"{users} users, {rounds} rounds in turns:")
    for name, seconds in took.items():
        ratio = quantile(seconds, 0.99) / quantile(took["GetUserById"], 0.99)
        figures.say(f"  {name:28} {milliseconds(seconds):28} p99 ÷ GetUserById's {ratio:.2f}")
    searches = [second for name, seconds in took.items() if name.startswith("search") for second in seconds]
    by_id = quantile(took["GetUserById"], 0.99)
    figures.say(f"  all searches: {milliseconds(searches)}, p99 ÷ GetUserById's {quantile(searches, 0.99) / by_id:.2f}")


def _text(kind: str, name: tuple[str, str]) -> str:
    first, last = name
    return {
        "one name": first,
        "two names": f"{first} {last}",
        "three letters each": f"{first[:3]} {last[:3]}",
        "two letters each": f"{first[:2]} {last[:2]}",
        "a name and example": f"{first} example",
    }[kind]
