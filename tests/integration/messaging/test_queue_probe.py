import pytest

from shared.messaging.queue_probe import QueueProbe
from tests.integration.messaging.stages import RabbitStage

NAMES = ["reply.plain", "reply.~!*'()", "reply.a+b/c==.d+e", "reply.~!", "reply." + "x" * 249]


@pytest.mark.parametrize("name", NAMES)
async def test_a_queue_is_found_whatever_its_name(rabbit: RabbitStage, name: str) -> None:
    async with rabbit.connection() as connection, QueueProbe(connection) as probe:
        await rabbit.api.put("queues", rabbit.vhost, name, body={"durable": True})
        assert (await probe.messages(name), await probe.consumers(name)) == (0, 0)

        await rabbit.api.delete("queues", rabbit.vhost, name)
        assert (await probe.messages(name), await probe.consumers(name)) == (None, None)
