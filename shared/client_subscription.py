"""Live domain events, on a queue of the subscriber's own."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import aio_pika
import structlog
from aio_pika.abc import AbstractIncomingMessage
from pydantic import ValidationError

from shared.client_errors import NotConnectedError, SubscriptionLostError
from shared.contracts.cloud_event import CloudEvent
from shared.messaging.opening import open_connection
from shared.messaging.topology import EVENTS
from shared.runtime.errors import in_one_line

PREFETCH = 200

logger = structlog.stdlib.get_logger(__name__)


@asynccontextmanager
async def subscription(
    amqp_url: str, binding_keys: Sequence[str], name: str, subscriber_id: UUID, *, connect_timeout: float
) -> AsyncIterator[AsyncIterator[CloudEvent]]:
    """Inside the block, every event published since it was entered whose routing key matches one of the keys.

    Raises NotConnectedError on entering, and SubscriptionLostError from the iterator when the connection is lost.
    """
    arrived: asyncio.Queue[AbstractIncomingMessage | None] = asyncio.Queue()
    try:
        connection = await open_connection(
            amqp_url, timeout=connect_timeout, client_properties={"connection_name": name}
        )
    except (OSError, TimeoutError, aio_pika.exceptions.AMQPError) as error:
        raise NotConnectedError(f"can't reach the broker: {in_one_line(error)}") from error
    connection.close_callbacks.add(lambda *_: arrived.put_nowait(None))
    try:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=PREFETCH)
        # Durable and exclusive: RabbitMQ 4.3 refuses transient queues that are not exclusive.
        queue = await channel.declare_queue(f"subscriber.{subscriber_id}", durable=True, exclusive=True)
        for key in binding_keys:
            await queue.bind(EVENTS, key)
        await queue.consume(arrived.put)
        yield _events(arrived)
    finally:
        with suppress(aio_pika.exceptions.AMQPError, OSError):
            await connection.close()


async def _events(arrived: asyncio.Queue[AbstractIncomingMessage | None]) -> AsyncIterator[CloudEvent]:
    while (message := await arrived.get()) is not None:
        try:
            event = CloudEvent.model_validate_json(message.body)
        except ValidationError as error:
            logger.warning("not a domain event", message_id=message.message_id, faults=error.error_count())
        else:
            yield event
        with suppress(aio_pika.exceptions.AMQPError):
            await message.ack()
    raise SubscriptionLostError("the connection to the broker is lost; events may have been missed")
