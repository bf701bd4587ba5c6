"""The services' connections to the broker, as the broker knows them: a reconnect shows as another name and time."""

from collections.abc import Mapping
from typing import TypeAlias

from tests.hostile.scene import Scene

SERVICES = ("command", "query")
LISTED_SECONDS = 20.0

Connections: TypeAlias = Mapping[str, int]
"""Name (addresses and ports of both ends) → when it was made, in ms."""


async def connections(scene: Scene) -> Connections:
    """All of both services; waits until the broker's statistics, which lag some seconds, list any of each."""

    async def listed() -> dict[str, int] | None:
        async with scene.http.get(f"{scene.env['CQRS_RABBITMQ_API_URL']}/api/vhosts/cqrs/connections") as response:
            found = [each for each in await response.json() if each.get("user") in SERVICES]
        complete = {each["user"] for each in found} == set(SERVICES) and all("connected_at" in each for each in found)
        return {each["name"]: each["connected_at"] for each in found} if complete else None

    seen: dict[str, int] = await scene.until(listed, "the services' connections listed", LISTED_SECONDS)
    return seen


async def connects_and_losses(scene: Scene) -> float:
    """How often the services themselves say that they made or lost one."""
    samples = ("messaging_connected_total", "messaging_connection_failures_total")
    return sum([await scene.metric(service, sample) for service in SERVICES for sample in samples])


def changed(before: Connections, after: Connections) -> list[str]:
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
