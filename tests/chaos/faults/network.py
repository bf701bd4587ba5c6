"""The network between the services and one server."""

from collections.abc import Callable
from random import Random

from tests.chaos.chaos_stack import World
from tests.chaos.faults.fault import Base
from tests.support.tcp_proxy import TcpProxy

EFFECTS: dict[str, Callable[[TcpProxy], None]] = {
    "cut": TcpProxy.cut,
    "black-hole": TcpProxy.black_hole,
    "latency": lambda proxy: proxy.delay(1.0),
    "half-open": TcpProxy.half_open,
}


class Network(Base):
    def __init__(self, name: str, server: str, effect: str, rng: Random) -> None:
        super().__init__(name, server, rng.triangular(3, 25, 8))
        self._effect = EFFECTS[effect]

    async def inject(self, world: World) -> None:
        self._effect(world.proxies[self.target])

    async def heal(self, world: World) -> None:
        world.proxies[self.target].heal()
