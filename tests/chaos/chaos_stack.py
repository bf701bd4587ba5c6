"""The native stack with a proxy between each service and each server, and services that die where they are told."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from deploy.native.client_env import client_env
from deploy.native.layout import Layout
from deploy.native.part import Part
from deploy.native.stack import SERVICES, NativeStack
from tests.support.stack import AdminUrls, Stack, servers_admin_urls, services_on
from tests.support.tcp_proxy import TcpProxy
from tests.support.wrong_clock import wrong_clock


class ChaosStack(NativeStack):
    """`via` maps a server's port to the proxy's. `kill_points` names the parts that start as ones that kill themselves:
    part → `<point>:<how many times it is passed before>`; `clocks` those that start with a wrong one: part → `+1h`.
    `mutant` is one of `mutants/`, which all services start as.
    """

    def __init__(self, layout: Layout, via: Mapping[int, int], mutant: str | None = None) -> None:
        super().__init__(layout)
        self._via = via
        self._mutant = mutant
        self.kill_points: dict[str, str] = {}
        self.clocks: dict[str, str] = {}

    def _part(self, name: str) -> Part:
        part = super()._part(name)
        service = name.partition("-")[0]
        if service not in SERVICES:
            return part
        env = {key: self._through_proxies(value) if key.endswith("_URL") else value for key, value in part.env.items()}
        if (offset := self.clocks.get(name)) is not None:
            env |= wrong_clock(offset)
        module = None
        if (point := self.kill_points.get(name)) is not None:
            module, env["CHAOS_KILL_AT"] = f"tests.chaos.faulty_{service}", point
        if self._mutant is not None:
            module, env["CHAOS_MUTANT"] = f"tests.chaos.mutants.{service}", self._mutant
        return replace(part, argv=[part.argv[0], "-m", module] if module else part.argv, env=env)

    def _through_proxies(self, url: str) -> str:
        for port, proxy_port in self._via.items():
            url = url.replace(f"127.0.0.1:{port}/", f"127.0.0.1:{proxy_port}/")
        # The driver would go on with the address that the replica set gives itself, past the proxy.
        return url.replace("?replicaSet=rs0", "?directConnection=true")


@dataclass(frozen=True)
class World:
    """All that faults and clients get their hands on; `proxies` by the server's part name."""

    native: ChaosStack
    stack: Stack
    proxies: Mapping[str, TcpProxy]
    admin: AdminUrls
    env: Mapping[str, str]

    def parts(self, service: str) -> list[str]:
        return self.native.names(service)


@asynccontextmanager
async def world_on(servers: NativeStack, mutant: str | None = None) -> AsyncIterator[World]:
    """Services behind proxies on servers that run; the services are stopped at the end."""
    layout = servers.layout
    ports = {"rabbitmq": layout.amqp_port, "postgres": layout.postgres_port, "mongo": layout.mongo_port}
    async with AsyncExitStack() as stack:
        proxies = {name: await stack.enter_async_context(TcpProxy(port)) for name, port in ports.items()}
        native = ChaosStack(layout, {ports[name]: proxy.port for name, proxy in proxies.items()}, mutant)
        services = services_on(native)
        running = await asyncio.to_thread(services.__enter__)
        try:
            yield World(native, running, proxies, servers_admin_urls(native), client_env(layout))
        finally:
            await asyncio.to_thread(services.__exit__, None, None, None)
