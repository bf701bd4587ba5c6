"""Nothing happens: what is broken then is broken without any fault."""

from tests.chaos.chaos_stack import World
from tests.chaos.faults.fault import Base


class Calm(Base):
    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(name, "rabbitmq", seconds)
        self.unready = frozenset()

    async def inject(self, world: World) -> None:
        """There is nothing to do."""

    async def heal(self, world: World) -> None:
        """There is nothing to undo."""
