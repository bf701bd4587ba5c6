"""A database and a vhost of this session's own, as the set-up jobs make them."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from uuid import uuid4

import aiohttp
import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy import make_url
from yarl import URL

from services.command.bootstrap import CommandService, bootstrap
from services.command.settings import CommandSettings
from services.command.setup import CommandSetupSettings, set_up
from shared.messaging.setup import set_up_broker
from shared.messaging.topology import topology
from tests.integration.command.client import Client
from tests.integration.command.running import running
from tests.support.projection_queues import PROJECTION_QUEUES

Start = Callable[..., AbstractAsyncContextManager[CommandService]]
TABLES = "users, events, inbox, outbox, dead_letters"


@pytest.fixture(scope="session")
async def admin_database(postgres_admin_url: str) -> AsyncIterator[str]:
    """URL of a database that is set up, for the superuser."""
    name = f"command_test_{uuid4().hex[:12]}"
    url = make_url(postgres_admin_url).set(database=name).render_as_string(hide_password=False)
    await set_up(setup_settings(url))
    yield url
    connection = await asyncpg.connect(postgres_admin_url.replace("+asyncpg", ""))
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


@pytest.fixture(scope="session")
def service_database(admin_database: str) -> str:
    """The same database for the role that the service has."""
    return make_url(admin_database).set(username="command", password="command").render_as_string(hide_password=False)


@pytest.fixture(scope="session")
async def vhost_url(amqp_admin_url: str, rabbitmq_api_url: str) -> AsyncIterator[str]:
    """URL of a vhost that is set up, for the administrator."""
    name = f"command-test-{uuid4().hex[:12]}"
    url = str(URL(amqp_admin_url).with_path(f"/{name}"))
    await set_up_broker(topology(projections=PROJECTION_QUEUES), amqp_url=url, api_url=rabbitmq_api_url, passwords={})
    yield url
    async with aiohttp.ClientSession() as session, session.delete(f"{rabbitmq_api_url}/api/vhosts/{name}") as response:
        response.raise_for_status()


@pytest.fixture
async def sql(admin_database: str) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection to the empty database."""
    connection = await asyncpg.connect(admin_database.replace("+asyncpg", ""))
    await connection.execute(f"TRUNCATE {TABLES} RESTART IDENTITY")
    yield connection
    await connection.close()


@pytest.fixture
def settings(sql: asyncpg.Connection, service_database: str, vhost_url: str) -> CommandSettings:
    return CommandSettings(
        amqp_url=SecretStr(vhost_url),
        postgres_url=SecretStr(service_database),
        http_port=0,
        batch_size=100,
        outbox_grace=0.5,
        outbox_interval=0.1,
        publish_timeout=2.0,
    )


@pytest.fixture
async def client(vhost_url: str, rabbitmq_api_url: str) -> AsyncIterator[Client]:
    """A client on empty queues."""
    async with Client(vhost_url) as connected:
        await connected.purge(queue.name for queue in topology(projections=PROJECTION_QUEUES).queues)
        yield connected


@pytest.fixture
def start(settings: CommandSettings) -> Start:
    """`async with start() as service:` runs the service; keywords override its settings."""

    @asynccontextmanager
    async def started(**overrides: object) -> AsyncIterator[CommandService]:
        async with bootstrap(settings.model_copy(update=overrides)) as service, running(service):
            yield service

    return started


def setup_settings(url: str, wait_seconds: float = 5.0) -> CommandSetupSettings:
    return CommandSetupSettings(
        postgres_url=SecretStr(url),
        service_password=SecretStr("command"),
        ops_password=SecretStr("ops"),
        wait_seconds=wait_seconds,
    )
