import socket

import aiohttp
import pytest

from shared.runtime.errors import StartupError
from shared.runtime.health import Health
from shared.runtime.metrics import new_registry
from shared.runtime.server import health_server


async def get(port: int, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}{path}") as response:
        return response.status, await response.text()


async def test_alive_ready_and_metrics_are_served() -> None:
    health = Health()
    trouble: list[str] = []
    health.add("rabbitmq", lambda: trouble[0] if trouble else None)
    health.add_note("projection users", lambda: "paused" if trouble else None)
    async with health_server(health, new_registry(), host="127.0.0.1", port=0) as port:
        assert await get(port, "/livez") == (200, "alive\n")
        assert await get(port, "/readyz") == (200, '{"ready": true, "checks": {"rabbitmq": null}, "notes": {}}')
        trouble.append("no connection")
        assert await get(port, "/readyz") == (
            503,
            '{"ready": false, "checks": {"rabbitmq": "no connection"}, "notes": {"projection users": "paused"}}',
        )
        assert (await get(port, "/livez"))[0] == 200
        status, text = await get(port, "/metrics")
        assert status == 200
        assert "process_resident_memory_bytes" in text
        assert "event_loop_lag_seconds_bucket" in text


async def test_a_taken_port_is_one_clear_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StartupError, match=f"can't listen on 127.0.0.1:{port} .* HTTP_PORT"):
            async with health_server(Health(), new_registry(), host="127.0.0.1", port=port):
                pass
