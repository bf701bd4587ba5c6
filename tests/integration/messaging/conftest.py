from collections.abc import AsyncIterator

import pytest

from shared.messaging.transport_path import TransportPath
from tests.integration.messaging.stages import FakeStage, RabbitStage, Stage, rabbit_stage


@pytest.fixture(params=TransportPath)
async def rabbit(
    request: pytest.FixtureRequest, amqp_admin_url: str, rabbitmq_api_url: str
) -> AsyncIterator[RabbitStage]:
    async with rabbit_stage(amqp_admin_url, rabbitmq_api_url, request.param) as stage:
        yield stage


@pytest.fixture(params=[*TransportPath, "fake"])
async def stage(request: pytest.FixtureRequest, amqp_admin_url: str, rabbitmq_api_url: str) -> AsyncIterator[Stage]:
    if request.param == "fake":
        yield FakeStage()
        return
    async with rabbit_stage(amqp_admin_url, rabbitmq_api_url, request.param) as real:
        yield real
