"""Opens a channel, of the kind that its connection wants."""

from typing import Final

from shared.messaging.broker_connection import BrokerConnection
from shared.messaging.fast_channel import FastChannel
from shared.messaging.frame_channel import ChannelListener, FrameChannel
from shared.messaging.plain_channel import PlainChannel

MAX_CHANNEL: Final = 65535


async def open_channel(connection: BrokerConnection, listener: ChannelListener) -> FrameChannel:
    """Opens a channel on the connection; `listener` hears what happens on it. Raises what aiormq raises."""
    number = next(number for number in range(1, MAX_CHANNEL) if number not in connection.channels)
    kind = FastChannel if connection.fast else PlainChannel
    channel = connection.channels[number] = kind(connection, number, listener)
    connection.guard.takers[number] = channel
    await channel.open()
    return channel
