"""57–61: questions that must be answered with an error, or not at all."""

import asyncio
from typing import Any

from tests.hostile.case import Case
from tests.hostile.scene import Scene
from tests.hostile.user_bodies import alice

WITHOUT_A_WORD = ("(.*)*" * 20, ".*" * 90, "(((((.+)+)+)+)+)+$", "[" * 90, "\\" * 90)
DEADLINE_SECONDS = 10.0
EXPIRED = 'messaging_requests_dropped_total{reason="expired"}'
WHEN_NOTHING_COMES_SECONDS = 0.5


async def error(scene: Scene, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await scene.reply(await scene.ask(kind, body))
    assert answer["status"] == "error", answer
    fault: dict[str, Any] = answer["error"]
    return fault


async def operators(scene: Scene, key: str) -> str:
    for operator in ({"$gt": ""}, {"$where": "sleep(1000)"}):
        for kind, field in (("GetUserById", "user_id"), ("GetUserByEmail", "email"), ("SearchUsers", "text")):
            assert (await error(scene, kind, {field: operator}))["code"] == "invalid_message", kind
    return "invalid_message"


async def enormous_limit(scene: Scene, key: str) -> str:
    fault = await error(scene, "GetAllUsers", {"limit": 10**9})
    assert fault["code"] == "invalid_message"
    assert "500" in fault["message"], fault
    return "invalid_message, which names the cap"


async def regular_expression_bombs(scene: Scene, key: str) -> str:
    """As an expression each would match many users, and take for ever over it; as words, one user or none."""
    word = f"bomb{scene.run}"
    outcome = await scene.accepted(await scene.send(key, alice(key, name=f"Bomb{scene.run}")))
    token = {"consistency-token": outcome["consistency_token"], "max-wait-ms": int(DEADLINE_SECONDS * 1000)}

    async def found(text: str) -> list[str]:
        question = await scene.ask("SearchUsers", {"text": text}, seconds=DEADLINE_SECONDS, headers=token)
        answer = await scene.reply(question)
        if answer["status"] == "error":
            assert (answer["error"]["code"], word in text) == ("invalid_message", False), answer
            return []
        return [user["user_id"] for user in answer["data"]["items"]]

    assert await found(f"({word}+)+$") == [key]
    assert await found(f"({word}|good)*") == []
    for bomb in WITHOUT_A_WORD:
        assert await found(bomb) == [], bomb
    return "taken literally, answered in time"


async def forged_cursor(scene: Scene, key: str) -> str:
    for cursor in ("forged", "e30", "A" * 400):
        assert (await error(scene, "GetAllUsers", {"cursor": cursor}))["code"] == "bad_cursor", cursor
    return "bad_cursor"


async def expired(scene: Scene, key: str) -> str:
    """A deadline of 0 ms: the broker delivers it when a consumer is free at once, else it drops it itself."""
    before = await scene.metric("query", EXPIRED)
    asked: list[str] = []

    async def counted() -> bool:
        asked.append(await scene.ask("GetUserById", {"user_id": key}, seconds=0))
        return await scene.metric("query", EXPIRED) > before

    await scene.until(counted, "an expired request counted")
    await asyncio.sleep(WHEN_NOTHING_COMES_SECONDS)
    assert not {reply.correlation_id for reply in scene.replies} & set(asked), "answered after its deadline"
    return "dropped and counted"


CASES = (
    Case(57, "an operator as a value", "$gt, $where", "invalid_message", operators),
    Case(58, "limit 10^9", "GetAllUsers", "invalid_message_with_the_cap", enormous_limit),
    Case(
        59, "regular expression bombs", "SearchUsers", "taken_literally_within_the_deadline", regular_expression_bombs
    ),
    Case(60, "a forged cursor", "three of them", "bad_cursor", forged_cursor),
    Case(61, "an expired request", "expiration 0", "dropped_and_counted", expired),
)
