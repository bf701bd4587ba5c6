"""`python -m tests.chaos.faulty_command`: the command service, killed at the point that CHAOS_KILL_AT names.

`before-commit`, `after-commit` (nothing published), `before-ack` (published, replied), `before-clear` (acknowledged,
the outbox still full).
"""

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

from sqlalchemy import event

from services.command import bootstrap
from services.command.main import main
from services.command.pipeline.arrivals import Arrival
from services.command.pipeline.completion import Completion
from services.command.pipeline.transaction import BatchTransaction, Committed
from shared.messaging.envelope import Delivery
from tests.chaos.kill_point import KillPoint


def faulty_stages(point: KillPoint) -> tuple[type[BatchTransaction], type[Completion]]:
    class FaultyTransaction(BatchTransaction):
        def __init__(self, engine: Any, *arguments: Any, **named: Any) -> None:
            super().__init__(engine, *arguments, **named)
            self._running: set[asyncio.Task[Any] | None] = set()
            event.listen(engine.sync_engine, "commit", lambda _: self._committing())

        def _committing(self) -> None:
            if self._running:  # transactions of this stage only, not those of the sweep
                point.passed("before-commit")

        async def __call__(self, arrivals: Sequence[Arrival]) -> Committed:
            task = asyncio.current_task()
            self._running.add(task)
            try:
                committed = await super().__call__(arrivals)
            finally:
                self._running.discard(task)
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
