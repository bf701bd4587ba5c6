"""200 live queries under 500 commands a second, and clients that vanish."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress

import aiohttp

from shared.client import CqrsClient
from tests.scale.live.figures import Figures
from tests.scale.live.sequence_of_users import create, rename
from tests.support.live_asker import Live, LiveAsker

ASKERS = 20
LEASE_SECONDS = 15.0
CATCH_UP_SECONDS = 180.0


async def live_queries(
    amqp_url: str, http_urls: Sequence[str], figures: Figures, *, subscriptions: int, per_second: float, seconds: float
) -> None:
    user_ids = [f"live-{number}" for number in range(subscriptions)]
    async with CqrsClient.connect(amqp_url, name="scale: commands") as client, AsyncExitStack() as stack:
        await create(client, user_ids)
        askers = [
            await stack.enter_async_context(LiveAsker(amqp_url, direct=number % 4 == 3)) for number in range(ASKERS)
        ]
        lives = [
            await askers[number % ASKERS].subscribe(
                "GetUserById", {"lease-ms": 300_000, "consistency-token": f"user/{user_id}@1"}, user_id=user_id
            )
            for number, user_id in enumerate(user_ids)
        ]
        everybody = await askers[0].subscribe("GetAllUsers", {"lease-ms": 300_000}, limit=1)
        sent, took = await rename(client, user_ids, per_second, seconds)
        share, rest = divmod(sent, subscriptions)
        last = [1 + share + (number < rest) for number in range(subscriptions)]
        arrived = time.monotonic()
        results = await asyncio.gather(
            *(_versions(live, version) for live, version in zip(lives, last, strict=True)), return_exceptions=True
        )
        caught_up = time.monotonic() - arrived
        wrong = [
            f"{user_id}: {result!r}"[:200]
            for user_id, version, result in zip(user_ids, last, results, strict=True)
            if isinstance(result, BaseException) or result != list(range(result[0] if result else 0, version + 1))
        ]
        changes = sum(len(result) for result in results if not isinstance(result, BaseException))
        figures.say(
            f"live: {subscriptions} subscriptions, {sent} commands at {sent / took:.0f}/s: {changes} messages, every "
            f"version in order for {subscriptions - len(wrong)}; the last came {caught_up:.1f} s after the last command"
        )
        figures.must(not wrong, f"every change in order: {wrong[:5]}")
        behind = await _told_of_all(everybody, dict(zip(user_ids, last, strict=True)))
        figures.must(not behind, f"a live list is told of every user, in order: {behind[:5]}")
        await _vanish(askers, http_urls, figures)


async def _versions(live: Live, last: int) -> list[int]:
    return await live.until_version(last, timeout=CATCH_UP_SECONDS)


async def _told_of_all(live: Live, last: dict[str, int]) -> list[str]:
    """Users whose versions went back in the updates of a list, or did not come up to their last one."""
    told: dict[str, int] = {}
    wrong: list[str] = []
    with suppress(TimeoutError):
        while {user_id: told.get(user_id, 0) for user_id in last} != last:
            heard = await live.next(timeout=LEASE_SECONDS)
            for change in heard.body["data"].get("changes", []):
                user_id, version = change["user_id"], change["user"]["version"]
                if version <= told.get(user_id, 0):
                    wrong.append(f"{user_id}: {version} after {told[user_id]}")
                told[user_id] = version
    return wrong + [
        f"{user_id}: ended at {told.get(user_id, 0)}" for user_id in last if told.get(user_id) != last[user_id]
    ]


async def _vanish(askers: Sequence[LiveAsker], http_urls: Sequence[str], figures: Figures) -> None:
    held = await _held(http_urls)
    began = time.monotonic()
    for asker in askers:
        await asker.vanish()
    while await _held(http_urls) and time.monotonic() - began < LEASE_SECONDS:
        await asyncio.sleep(0.2)
    left = await _held(http_urls)
    figures.say(
        f"vanished: {held:.0f} subscriptions of {len(askers)} clients, with a lease of 300 s, are cleaned up after "
        f"{time.monotonic() - began:.1f} s ({left:.0f} left)"
    )
    figures.must(held > 0 and left == 0, "clients that vanish are cleaned up")


async def _held(http_urls: Sequence[str]) -> float:
    total = 0.0
    async with aiohttp.ClientSession() as session:
        for url in http_urls:
            async with session.get(f"{url}/metrics") as response:
                lines = (await response.text()).splitlines()
            total += sum(float(line.split()[-1]) for line in lines if line.startswith("live_subscriptions{"))
    return total
