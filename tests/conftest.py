"""Fixtures every test may ask for. The servers they lead to are real ones.

Without any setting the test session starts its own servers. To use servers that run already (faster while developing),
name all four: ``TEST_AMQP_ADMIN_URL`` (amqp://user:password@host:port/), ``TEST_RABBITMQ_API_URL``
(http://user:password@host:port), ``TEST_POSTGRES_ADMIN_URL`` (postgresql+asyncpg://user:password@host:port/postgres) and
``TEST_MONGO_ADMIN_URL`` (mongodb://host:port/?replicaSet=name). A test makes a vhost or a database of its own in them and
removes it again.
"""

import os

import pytest


@pytest.fixture(scope="session")
def amqp_admin_url() -> str:
    """URL of the broker's administrator, on the default vhost; append a vhost of your own."""
    return _external("TEST_AMQP_ADMIN_URL")


@pytest.fixture(scope="session")
def rabbitmq_api_url() -> str:
    """Base URL of the broker's management API with the administrator's credentials."""
    return _external("TEST_RABBITMQ_API_URL")


@pytest.fixture(scope="session")
def postgres_admin_url() -> str:
    """URL of PostgreSQL's superuser, on the database ``postgres``."""
    return _external("TEST_POSTGRES_ADMIN_URL")


@pytest.fixture(scope="session")
def mongo_admin_url() -> str:
    """URL of MongoDB's administrator; a replica set of one."""
    return _external("TEST_MONGO_ADMIN_URL")


def _external(name: str) -> str:
    url = os.environ.get(name)
    if not url:
        pytest.skip(f"{name} is not set")
    return url
