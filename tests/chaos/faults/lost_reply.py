"""The network fails after a server has done what it was asked to and before its answer arrives."""

import re
from random import Random

from tests.chaos.chaos_stack import World
from tests.chaos.faults.fault import Base
from tests.chaos.ledger import NOT_REACHED
from tests.support.reply_loss import ReplyLoss

CONFIRM = re.compile(rb"\x01..\x00\x00\x00\x0d\x00\x3c\x00\x50", re.DOTALL)
"""A method frame (13 bytes on any channel) with basic.ack, which a server sends to confirm a publish."""
COMMITTED = re.compile(rb"COMMIT\x00")
"""The tag of PostgreSQL's CommandComplete."""
WRITE = re.compile(rb"\x02(insert|update|delete|bulkWrite)\x00|\x10commitTransaction\x00")
"""The first field of a command of MongoDB's; each connection carries one command at a time."""
ANYTHING = re.compile(rb"")


class LostReply(Base):
    """COMMIT, a write or commitTransaction, a publish: carried out, and the connection reset instead of the reply."""

    def __init__(self, name: str, server: str, rng: Random) -> None:
        super().__init__(name, server, rng.uniform(3, 10))
        times = rng.randint(1, 10)
        self._loss = {
            "rabbitmq": ReplyLoss(CONFIRM, times=times),
            "postgres": ReplyLoss(COMMITTED, times=times),
            "mongo": ReplyLoss(ANYTHING, request=WRITE, times=times),
        }[server]

    async def inject(self, world: World) -> None:
        world.proxies[self.target].lose_replies(self._loss)

    async def heal(self, world: World) -> None:
        world.proxies[self.target].heal()
        if not self._loss.count:
            self.name += NOT_REACHED
