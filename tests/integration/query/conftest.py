"""A MongoDB database of its own for each test, and a virtual host of its own for the session."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from pymongo import AsyncMongoClient
from yarl import URL

from services.query.bootstrap import PROJECTION_QUEUES
from services.query.mongo.client import mongo_client
from services.query.mongo.collections import Collections, Database
from services.query.mongo.setup import ensure_indexes
from services.query.read_model import Document
from services.query.settings import QuerySettings
from shared.messaging.management_api import ManagementApi
from shared.messaging.setup import set_up_broker
from shared.messaging.topology import topology
from tests.integration.query.service_scene import World, settings_for


@pytest.fixture(scope="session")
async def mongo(mongo_admin_url: str) -> AsyncIterator[AsyncMongoClient[Document]]:
    async with mongo_client(mongo_admin_url) as client:
        yield client


@pytest.fixture
async def database(mongo: AsyncMongoClient[Document]) -> AsyncIterator[Database]:
    database = mongo[f"test_query_{uuid4().hex}"]
    await ensure_indexes(Collections(database))
    yield database
    await mongo.drop_database(database.name)


@pytest.fixture
def collections(database: Database) -> Collections:
    return Collections(database)


@pytest.fixture
async def vhost_url(amqp_admin_url: str, rabbitmq_api_url: str) -> AsyncIterator[str]:
    """URL of a virtual host that has the whole topology and no messages."""
    name = f"test-query-{uuid4().hex}"
    url = str(URL(amqp_admin_url).with_path(f"/{name}"))
    await set_up_broker(
        topology(partitions=1, projections=PROJECTION_QUEUES), amqp_url=url, api_url=rabbitmq_api_url, passwords={}
    )
    yield url
    async with ManagementApi(rabbitmq_api_url) as api:
        await api.delete("vhosts", name)


@pytest.fixture
async def world(vhost_url: str, database: Database) -> AsyncIterator[World]:
    async with World(vhost_url, database) as world:
        yield world


@pytest.fixture
def settings(vhost_url: str, mongo_admin_url: str, database: Database) -> QuerySettings:
    return settings_for(vhost_url, mongo_admin_url, database)
