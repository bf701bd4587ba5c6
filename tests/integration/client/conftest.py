"""A vhost of the test's own with the whole topology, and a stand-in for the services behind it."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from yarl import URL

from shared.messaging.management_api import ManagementApi
from shared.messaging.setup import set_up_broker
from shared.messaging.topology import topology
from tests.integration.client.stand_in import StandIn
from tests.support.projection_queues import PROJECTION_QUEUES


@pytest.fixture(scope="session")
async def vhost_url(amqp_admin_url: str, rabbitmq_api_url: str) -> AsyncIterator[str]:
    """The broker's administrator on a vhost that is set up as the system's."""
    vhost = f"client-test-{uuid4().hex[:8]}"
    url = str(URL(amqp_admin_url).with_path(f"/{vhost}"))
    await set_up_broker(topology(projections=PROJECTION_QUEUES), amqp_url=url, api_url=rabbitmq_api_url, passwords={})
    yield url
    async with ManagementApi(rabbitmq_api_url) as api:
        await api.delete("vhosts", vhost)


@pytest.fixture
async def stand_in(vhost_url: str) -> AsyncIterator[StandIn]:
    async with StandIn(vhost_url) as services:
        yield services
