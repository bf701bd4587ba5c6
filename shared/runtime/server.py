"""The HTTP side of a service: is it alive, is it ready, and its metrics."""

import asyncio
import errno
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeAlias

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from shared.runtime.errors import StartupError
from shared.runtime.health import Health
from shared.runtime.metrics import watch_event_loop

_Handler: TypeAlias = Callable[[web.Request], Awaitable[web.Response]]


@asynccontextmanager
async def health_server(health: Health, registry: CollectorRegistry, *, host: str, port: int) -> AsyncIterator[int]:
    """Serves `/livez`, `/readyz` and `/metrics` inside the block; gives the port (of its own choice for port 0).

    `/livez` is 200 as long as the event loop turns. `/readyz` is 200 when every check is fine, else 503, with what
    each one says: `{"ready": false, "checks": {"postgres": "no connection", "rabbitmq": null}, "notes": {}}`.
    Raises StartupError when the address can't be had.
    """
    app = web.Application()
    app.router.add_get("/livez", _livez)
    app.router.add_get("/readyz", _readyz(health))
    app.router.add_get("/metrics", _metrics(registry))
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await _listen(runner, host, port)
        watch = asyncio.create_task(watch_event_loop(registry), name="event loop lag")
        try:
            yield int(runner.addresses[0][1])
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            why = "another program has it; stop that one, or choose another port with the setting HTTP_PORT"
        else:
            why = error.strerror or str(error)
        raise StartupError(f"can't listen on {host}:{port} for health and metrics: {why}") from error


async def _livez(_request: web.Request) -> web.Response:
    return web.Response(text="alive\n")


def _readyz(health: Health) -> _Handler:
    async def readyz(_request: web.Request) -> web.Response:
        checks = health.report()
        ready = all(trouble is None for trouble in checks.values())
        return web.json_response(
            {"ready": ready, "checks": checks, "notes": dict(health.notes())}, status=200 if ready else 503
        )

    return readyz


def _metrics(registry: CollectorRegistry) -> _Handler:
    async def metrics(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    return metrics
