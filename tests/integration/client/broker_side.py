"""What an administrator does to a client's connection."""

import asyncio

from shared.messaging.management_api import ManagementApi


async def close_connections(api_url: str, vhost: str, name: str, timeout: float = 20.0) -> None:
    """Closes the connections of that name; waits for them to show up, because the broker's list lags by seconds."""
    async with ManagementApi(api_url) as api, asyncio.timeout(timeout):
        while True:
            listed = await api.get("vhosts", vhost, "connections")
            ours = [c["name"] for c in listed if c.get("client_properties", {}).get("connection_name") == name]
            if ours:
                break
            await asyncio.sleep(0.2)
        for connection in ours:
            await api.delete("connections", connection)
