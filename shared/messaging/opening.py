"""An aio-pika connection that is closed when it could not be opened."""

from collections.abc import Mapping

from aio_pika import Connection
from aio_pika.connection import make_url


async def open_connection(
    amqp_url: str, *, timeout: float | None = None, client_properties: Mapping[str, str] | None = None
) -> Connection:
    """As aio_pika.connect, whose failed attempts stay open until the garbage collector finds them.

    Found between two event loops, such an attempt is a "coroutine was never awaited"; found inside one, a task that
    nobody started. Raises what aio_pika.connect raises; `timeout` is in seconds.
    """
    connection = Connection(make_url(amqp_url), client_properties=dict(client_properties or {}))
    try:
        await connection.connect(timeout=timeout)
    except BaseException:
        await connection.close()
        raise
    return connection
