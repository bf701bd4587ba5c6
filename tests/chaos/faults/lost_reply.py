"""The network fails after a server has done what it was asked to and before its answer arrives."""

import re
from random import Random

from tests.chaos.chaos_stack import World
from tests.chaos.faults.fault import Base
from tests.chaos.ledger import NOT_REACHED
from tests.support.reply_loss import ReplyLoss

CONFIRM = re.compile(rb"\x01..\x00\x00\x00\x0d\x00\x3c\x00\x50", re.DOTALL)
"""A method frame (13 bytes on any channel) with basic.ack, which a server sends to confirm a publish."""
BATCH = re.compile(rb'"specversion":"1.0"|{"status":"(accepted|rejected)"')
"""An event on its way into the outbox, or an outcome into the inbox: arguments of the statement that writes a batch."""
COMMITTED = re.compile(rb"SELECT 1\x00Z\x00\x00\x00\x05I")
"""PostgreSQL's CommandComplete and, after the commit, that it is ready for another statement."""
WRITE = re.compile(rb"\x02(insert|update|delete|bulkWrite)\x00|\x10commitTransaction\x00")
"""The first field of a command of MongoDB's; each connection carries one command at a time."""
ANYTHING = re.compile(rb"")


class LostReply(Base):
    """A batch of commands, a write or commitTransaction, a publish: carried out, and a reset instead of the reply."""

    def __init__(self, name: str, server: str, rng: Random) -> None:
        super().__init__(name, server, rng.uniform(3, 10))
        times = rng.randint(1, 10)
        self._loss = {
            "rabbitmq": ReplyLoss(CONFIRM, times=times),
            "postgres": ReplyLoss(COMMITTED, request=BATCH, times=times),
            "mongo": ReplyLoss(ANYTHING, request=WRITE, times=times),
        }[server]

    async def inject(self, world: World) -> None:
        world.proxies[self.target].lose_replies(self._loss)

    async def heal(self, world: World) -> None:
        world.proxies[self.target].heal()
        if not self._loss.count:
            self.name += NOT_REACHED
