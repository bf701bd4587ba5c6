"""Fixtures every test may ask for. The servers they lead to are real ones.

Without any setting the test session starts servers of its own. For servers that run already (faster while developing),
set TEST_AMQP_ADMIN_URL (amqp://user:password@host:port/), TEST_RABBITMQ_API_URL (http://user:password@host:port),
TEST_POSTGRES_ADMIN_URL (postgresql+asyncpg://user:password@host:port/postgres) and TEST_MONGO_ADMIN_URL
(mongodb://host:port/?replicaSet=name). A test makes a vhost or a database of its own in them and removes it again.

With CQRS_E2E_EXTERNAL=1 the end-to-end tests talk to the stack that the CQRS_* variables of `make env` describe.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

from deploy.native.stack import NativeStack
from tests.support.stack import (
    Stack,
    external_env,
    own_servers,
    servers_admin_urls,
    services_on,
)

TESTS = Path(__file__).parent

settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")


GROUPS = {"integration": "servers", "e2e": "system", "hostile": "system", "chaos": "system"}
"""Which tests one process of `make test` runs, with servers of its own; those that need none go to whoever is free."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if group := GROUPS.get(item.path.relative_to(TESTS).parts[0]):
            item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(autouse=True)
def plain_tracebacks_in_logs() -> None:
    """As a service has them. structlog's own are tables of all local variables: seconds each, in which no task runs."""
    structlog.reset_defaults()
    *before, _ = structlog.get_config()["processors"]
    renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*before, renderer])


@pytest.fixture(scope="session")
def servers() -> Iterator[NativeStack]:
    """RabbitMQ, PostgreSQL and MongoDB of this session's own."""
    with own_servers() as native:
        yield native


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """Servers and services of this session's own, every part of which may be stopped and killed."""
    if external_env() is not None:
        pytest.skip("needs a stack of its own")
    with services_on(request.getfixturevalue("servers")) as running:
        yield running


@pytest.fixture(scope="session")
def stack_env(request: pytest.FixtureRequest) -> dict[str, str]:
    """The CQRS_* variables of the stack under test, for tests that are clients and nothing more."""
    external = external_env()
    if external is not None:
        return external
    stack: Stack = request.getfixturevalue("stack")
    return stack.env


@pytest.fixture(scope="session")
def amqp_admin_url(request: pytest.FixtureRequest) -> str:
    """URL of the broker's administrator; append a vhost of your own."""
    return _url(request, "TEST_AMQP_ADMIN_URL", "amqp")


@pytest.fixture(scope="session")
def rabbitmq_api_url(request: pytest.FixtureRequest) -> str:
    """Base URL of the broker's management API with the administrator's credentials."""
    return _url(request, "TEST_RABBITMQ_API_URL", "rabbitmq_api")


@pytest.fixture(scope="session")
def postgres_admin_url(request: pytest.FixtureRequest) -> str:
    """URL of PostgreSQL's superuser, on the database `postgres`."""
    return _url(request, "TEST_POSTGRES_ADMIN_URL", "postgres")


@pytest.fixture(scope="session")
def mongo_admin_url(request: pytest.FixtureRequest) -> str:
    """URL of MongoDB's administrator; a replica set of one."""
    return _url(request, "TEST_MONGO_ADMIN_URL", "mongo")


def _url(request: pytest.FixtureRequest, variable: str, server: str) -> str:
    url = os.environ.get(variable)
    return url or str(getattr(servers_admin_urls(request.getfixturevalue("servers")), server))
