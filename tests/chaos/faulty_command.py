"""`python -m tests.chaos.faulty_command`: the command service, killed at the point that CHAOS_KILL_AT names.

`before-commit`, `after-commit` (nothing published), `before-ack` (published, replied), `before-clear` (acknowledged,
the outbox still full).
"""

import sys
from collections.abc import Sequence
from typing import Any

from services.command import bootstrap
from services.command.main import main
from services.command.pipeline.arrivals import Arrival
from services.command.pipeline.completion import Completion
from services.command.pipeline.transaction import BatchTransaction, Committed
from services.command.postgres.outbox import Stored
from shared.messaging.envelope import Delivery
from tests.chaos.kill_point import KillPoint


def faulty_stages(point: KillPoint) -> tuple[type[BatchTransaction], type[Completion]]:
    class FaultyTransaction(BatchTransaction):
        async def _write(self, *arguments: Any) -> Sequence[Stored]:
            point.passed("before-commit")
            return await super()._write(*arguments)

        async def __call__(self, arrivals: Sequence[Arrival]) -> Committed:
            committed = await super().__call__(arrivals)
            point.passed("after-commit")
            return committed

    class FaultyCompletion(Completion):
        async def _reply(self, replies: Sequence[tuple[Delivery, str]]) -> None:
            await super()._reply(replies)
            point.passed("before-ack")

        async def _clear(self, confirmed: Sequence[int]) -> None:
            point.passed("before-clear")
            await super()._clear(confirmed)

    return FaultyTransaction, FaultyCompletion


if __name__ == "__main__":
    transaction, completion = faulty_stages(KillPoint())
    setattr(bootstrap, "BatchTransaction", transaction)  # noqa: B010 - the names by which `bootstrap` wires them
    setattr(bootstrap, "Completion", completion)  # noqa: B010
    sys.exit(main())
