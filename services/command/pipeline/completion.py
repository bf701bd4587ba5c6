"""After the commit: publish, then reply, then acknowledge, then have the outbox cleared."""

from collections import Counter
from collections.abc import Sequence

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.command.metrics import CommandMetrics
from services.command.pipeline.clearing import Clearing
from services.command.pipeline.transaction import Committed
from services.command.postgres import outbox
from services.command.postgres.failures import in_few_words, is_transient
from shared.contracts.outcome import OUTCOME_TYPE
from shared.messaging.envelope import Delivery, Envelope
from shared.messaging.ports import BatchConsumer, Publisher, Replier
from shared.messaging.reply import Reply, addressed

MAX_ARREARS = 2000

logger = structlog.stdlib.get_logger(__name__)


class Completion:
    """Takes the batches one by one, in the order of their commits. Never fails for the store's or the broker's sake.

    What could not be published stays in the outbox, for the sweep or for the next batch about the same aggregate; the
    commands are done all the same, because the commit holds their effect and the outbox the promise to tell of it.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        publisher: Publisher,
        replier: Replier,
        consumer: BatchConsumer,
        clearing: Clearing,
        *,
        metrics: CommandMetrics,
    ) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._publisher = publisher
        self._replier = replier
        self._consumer = consumer
        self._clearing = clearing
        self._metrics = metrics

    async def run(self, batch: Committed) -> None:
        with self._metrics.completion_seconds.time():
            confirmed = await self._publish(batch.promised)
            await self._reply(batch.replies)
            await self._consumer.ack(batch.deliveries)
            await self._clear(confirmed)
        for (type_, outcome), number in Counter(batch.counts).items():
            self._metrics.commands.labels(type_, outcome).inc(number)
        for reason in batch.buried:
            self._metrics.dead_letters.labels(reason).inc()

    async def _publish(self, promised: Sequence[outbox.Stored]) -> list[int]:
        """Ids of the messages that are safe on a queue."""
        if not promised:
            return []
        try:
            arrears, are_all = await self._arrears(promised)
        except Exception as error:
            if not is_transient(error):
                raise
            logger.warning("left in the outbox", messages=len(promised), error=in_few_words(error))
            self._metrics.unpublished.labels("store").inc(len(promised))
            return []
        # When there is more in arrears than fits, ours would overtake it: the sweep takes them after it.
        messages = [*arrears, *promised] if are_all else arrears
        failures = await self._publisher.publish([message.envelope for message in messages])
        for failure in failures:
            if failure is not None:
                self._metrics.unpublished.labels(failure.value).inc()
        return [message.id for message, failure in zip(messages, failures, strict=True) if failure is None]

    async def _arrears(self, promised: Sequence[outbox.Stored]) -> tuple[list[outbox.Stored], bool]:
        """What a dead process or a failed publish has left of the same aggregates, which must go out first; and whether
        that is all of it.
        """
        keys = {message.ordering_key for message in promised if message.follows and message.ordering_key is not None}
        if not keys:
            return [], True
        published = self._clearing.published()
        first = min(message.id for message in promised)
        async with self._engine.connect() as connection:
            found = await outbox.earlier(connection, keys, before=first, limit=MAX_ARREARS)
        return [message for message in found if message.id not in published], len(found) < MAX_ARREARS

    async def _reply(self, replies: Sequence[tuple[Delivery, str]]) -> None:
        envelopes: list[Envelope] = []
        for delivery, outcome in replies:
            if delivery.reply_to is None:
                continue
            envelope = addressed(Reply(type=OUTCOME_TYPE, body=outcome.encode()), delivery)
            if envelope is None:
                self._metrics.replies_refused.inc()
            else:
                envelopes.append(envelope)
        if envelopes:
            await self._replier.reply(envelopes)

    async def _clear(self, confirmed: Sequence[int]) -> None:
        self._clearing.clear(confirmed)
