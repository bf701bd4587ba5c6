"""A database, a vhost and a MongoDB of the test's own, with an operator's rights on them."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from pymongo import AsyncMongoClient
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine
from yarl import URL

from services.command.setup import set_up
from services.ops.postgres import postgres
from services.query.bootstrap import PROJECTION_QUEUES
from services.query.mongo.client import mongo_client
from services.query.mongo.collections import Collections, Database
from services.query.mongo.setup import ensure_indexes
from services.query.read_model import Document
from shared.messaging.management_api import ManagementApi
from shared.messaging.setup import set_up_broker
from shared.messaging.topology import topology
from tests.integration.command.conftest import setup_settings
from tests.integration.query.service_scene import settings_for

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class System:
    """Where everything is: the broker for its administrator and for an operator, the database for each role."""

    admin_amqp_url: str
    ops_amqp_url: str
    admin_postgres_url: str
    ops_postgres_url: str
    mongo_url: str

    async def cqrs(self, *arguments: str) -> tuple[int | None, str, str]:
        """Exit code, stdout and stderr of the command line."""
        variables = {name: value for name, value in os.environ.items() if not name.startswith("CQRS_")}
        env = variables | {
            "CQRS_OPS_AMQP_URL": self.ops_amqp_url,
            "CQRS_POSTGRES_URL": self.ops_postgres_url,
            "CQRS_MONGO_URL": self.mongo_url,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.ops", *arguments, stdout=PIPE, stderr=PIPE, cwd=ROOT, env=env
        )
        out, err = await asyncio.wait_for(process.communicate(), 60)
        return process.returncode, out.decode(), err.decode()


@pytest.fixture(scope="session")
async def ops_database(postgres_admin_url: str) -> AsyncIterator[str]:
    """URL of a database that is set up, for the superuser."""
    name = f"ops_test_{uuid4().hex[:12]}"
    url = make_url(postgres_admin_url).set(database=name).render_as_string(hide_password=False)
    await set_up(setup_settings(url))
    yield url
    connection = await asyncpg.connect(postgres_admin_url.replace("+asyncpg", ""))
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


@pytest.fixture
async def sql(ops_database: str) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection to the empty database."""
    connection = await asyncpg.connect(ops_database.replace("+asyncpg", ""))
    await connection.execute("TRUNCATE users, events, inbox, outbox, dead_letters RESTART IDENTITY")
    yield connection
    await connection.close()


@pytest.fixture
async def broker_urls(amqp_admin_url: str, rabbitmq_api_url: str) -> AsyncIterator[tuple[str, str]]:
    """A vhost with the whole topology: for the administrator, and for an operator of that vhost alone."""
    name = f"ops-test-{uuid4().hex[:12]}"
    url = URL(amqp_admin_url).with_path(f"/{name}")
    built = topology(partitions=2, projections=PROJECTION_QUEUES)
    permissions = tuple(replace(each, user=name) for each in built.permissions if each.user == "ops")
    await set_up_broker(
        replace(built, permissions=permissions), amqp_url=str(url), api_url=rabbitmq_api_url, passwords={name: name}
    )
    yield str(url), str(url.with_user(name).with_password(name))
    async with ManagementApi(rabbitmq_api_url) as api:
        await api.delete("vhosts", name)
        await api.delete("users", name)


@pytest.fixture(scope="session")
async def mongo(mongo_admin_url: str) -> AsyncIterator[AsyncMongoClient[Document]]:
    async with mongo_client(mongo_admin_url) as client:
        yield client


@pytest.fixture
async def database(mongo: AsyncMongoClient[Document]) -> AsyncIterator[Database]:
    database = mongo[f"test_ops_{uuid4().hex}"]
    await ensure_indexes(Collections(database))
    yield database
    await mongo.drop_database(database.name)


@pytest.fixture
def system(
    broker_urls: tuple[str, str],
    ops_database: str,
    sql: asyncpg.Connection,
    mongo_admin_url: str,
    database: Database,
) -> System:
    admin, operator = broker_urls
    as_operator = make_url(ops_database).set(username="ops", password="ops")
    return System(
        admin_amqp_url=admin,
        ops_amqp_url=operator,
        admin_postgres_url=ops_database,
        ops_postgres_url=as_operator.render_as_string(hide_password=False),
        mongo_url=settings_for(admin, mongo_admin_url, database).mongo,
    )


@pytest.fixture
async def engine(system: System) -> AsyncIterator[AsyncEngine]:
    """PostgreSQL as an operator has it."""
    async with postgres(system.ops_postgres_url) as engine:
        yield engine
