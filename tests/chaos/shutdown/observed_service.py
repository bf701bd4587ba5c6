"""`python -m tests.chaos.shutdown.observed_service command`: that service, noting what it takes and acknowledges.

It writes into a file of its own in the folder that CHAOS_OBSERVED names; see `observations.py` for the lines.
"""

import sys

from shared.runtime.early_stop import stop_at_once_until_started

if __name__ == "__main__":
    stop_at_once_until_started()

import importlib
import os
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path

from shared.messaging.batch_consumer import AmqpBatchConsumer
from shared.messaging.envelope import Delivery, Receipt
from tests.chaos.shutdown.observations import ACKED, TAKEN, Observation


class Notes:
    """Each batch is one write, which no end of the process can cut."""

    def __init__(self, folder: Path) -> None:
        file = folder / f"{time.time_ns()}-{os.getpid()}.jsonl"
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(self, what: str, deliveries: Iterable[Receipt]) -> None:
        at = time.time()
        lines = [Observation(at, what, each.queue, _id(each), each.redelivered).line for each in deliveries]
        if lines:
            os.write(self._file, "".join(lines).encode())


def _id(of: Receipt) -> str:
    return of.message_id or (of.correlation_id if isinstance(of, Delivery) else None) or ""


def observed(notes: Notes) -> type[AmqpBatchConsumer]:
    class Observed(AmqpBatchConsumer):
        async def batches(self) -> AsyncIterator[list[Delivery]]:
            async for batch in super().batches():
                notes.note(TAKEN, batch)
                yield batch

        async def ack(self, deliveries: Sequence[Receipt]) -> None:
            notes.note(ACKED, [each for each in deliveries if self.is_current(each)])
            await super().ack(deliveries)

    return Observed


def main() -> int:
    service = sys.argv.pop()
    bootstrap = importlib.import_module(f"services.{service}.bootstrap")
    setattr(bootstrap, "AmqpBatchConsumer", observed(Notes(Path(os.environ["CHAOS_OBSERVED"]))))  # noqa: B010
    code: int = importlib.import_module(f"services.{service}.main").main()
    return code


if __name__ == "__main__":
    sys.exit(main())
