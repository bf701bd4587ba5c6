"""Brings a broker to what topology.py says: the one-shot set-up job, with rights that the services lack."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import aiormq
from aio_pika.abc import AbstractConnection
from yarl import URL

from shared.messaging.broker_errors import in_words, is_refusal
from shared.messaging.management_api import NOT_FOUND, UNAUTHORIZED, ManagementApi, ManagementApiError
from shared.messaging.opening import open_connection
from shared.messaging.topology import Exchange, Queue, Topology
from shared.runtime.errors import StartupError

OLDEST_VERSION: Final = (3, 10)
NEEDED_FEATURES: Final = ("quorum_queue", "stream_queue")  # dead-lettering at least once needs both
PLUGIN_OF: Final = {
    "x-consistent-hash": "rabbitmq_consistent_hash_exchange",
    "x-modulus-hash": "rabbitmq_sharding",
}
"""Exchange types that a plugin of RabbitMQ's own brings, and whose queues are partitions."""
ALL: Final = {"configure": ".*", "write": ".*", "read": ".*"}
RETRY_SECONDS: Final = 1.0


class SetupError(StartupError):
    """The broker can't be set up; one clear line that says what to do, without secrets."""


async def set_up_broker(
    topology: Topology,
    *,
    amqp_url: str,
    api_url: str,
    passwords: Mapping[str, str],
    wait_seconds: float = 60.0,
    progress: Callable[[str], None] = lambda line: None,
) -> None:
    """Makes vhost, users, rights, policies, exchanges, queues and bindings; doing it again is harmless.

    The vhost is the path of `amqp_url`; `passwords` maps user names to passwords, and rights are set for these users
    only. Both URLs carry an administrator's credentials. A broker that is still starting is given `wait_seconds`.

    Raises SetupError.
    """
    vhost = URL(amqp_url).path.removeprefix("/") or "/"
    try:
        async with ManagementApi(api_url) as api:
            overview = await _reachable(api, wait_seconds, progress)
            await _check(api, overview, topology)
            await _make_vhost(api, vhost, str(URL(amqp_url).user))
            progress(f"vhost {vhost}")
            await _make_users(api, vhost, topology, passwords)
            progress(f"users {', '.join(sorted(passwords)) or 'left alone'}")
            for policy in topology.policies:
                definition = {"pattern": policy.pattern, "definition": policy.definition, "apply-to": "queues"}
                await api.put("policies", vhost, policy.name, body=definition)
            progress(f"policies {', '.join(policy.name for policy in topology.policies)}")
            async with _connected(amqp_url) as connection:
                await _declare(connection, topology, progress)
            await _check_partitions(api, vhost, topology)
    except ManagementApiError as error:
        raise SetupError(f"the management API refuses: {error}") from error
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise SetupError(f"the broker can't be reached: {in_words(error)}") from error


async def _reachable(api: ManagementApi, wait_seconds: float, progress: Callable[[str], None]) -> Any:
    deadline = asyncio.get_running_loop().time() + wait_seconds
    while True:
        try:
            return await api.get("overview")
        except ManagementApiError as error:
            if error.status == UNAUTHORIZED:
                raise SetupError("the management API refuses the administrator's name or password") from error
            raise
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            if asyncio.get_running_loop().time() > deadline:
                raise SetupError(f"the management API can't be reached: {in_words(error)}") from error
            progress("waiting for the broker")
            await asyncio.sleep(RETRY_SECONDS)


async def _check(api: ManagementApi, overview: Any, topology: Topology) -> None:
    version = str(overview["rabbitmq_version"])
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_VERSION:
        raise SetupError(f"RabbitMQ {version} is too old: 3.10 or later is needed")
    known = {kind["name"] for kind in overview["exchange_types"]}
    for missing in sorted({exchange.type for exchange in topology.exchanges} & PLUGIN_OF.keys() - known):
        raise SetupError(f"exchange type {missing} is missing: rabbitmq-plugins enable {PLUGIN_OF[missing]}")
    for feature in await api.get("feature-flags"):
        if feature["name"] in NEEDED_FEATURES and feature["state"] == "disabled":
            await api.put("feature-flags", feature["name"], "enable", body={"name": feature["name"]})


async def _make_vhost(api: ManagementApi, vhost: str, administrator: str) -> None:
    try:
        await api.get("vhosts", vhost)
    except ManagementApiError as error:
        if error.status != NOT_FOUND:
            raise
        await api.put("vhosts", vhost, body={})
    await api.put("permissions", vhost, administrator, body=ALL)


async def _make_users(api: ManagementApi, vhost: str, topology: Topology, passwords: Mapping[str, str]) -> None:
    permissions = {permission.user: permission for permission in topology.permissions}
    for user, password in passwords.items():
        permission = permissions[user]
        await api.put(
            "users", user, body={"password": password, "tags": "impersonator" if permission.impersonator else ""}
        )
        rights = {"configure": permission.configure, "write": permission.write, "read": permission.read}
        await api.put("permissions", vhost, user, body=rights)


@asynccontextmanager
async def _connected(amqp_url: str) -> AsyncIterator[AbstractConnection]:
    try:
        connection = await open_connection(amqp_url)
    except aiormq.AMQPConnectionError as error:
        if is_refusal(error):
            raise SetupError(f"the broker refuses the administrator: {in_words(error)}") from None
        raise SetupError(f"the broker can't be reached: {in_words(error)}") from error
    async with connection:
        yield connection


async def _declare(connection: AbstractConnection, topology: Topology, progress: Callable[[str], None]) -> None:
    for exchange in topology.exchanges:
        await _declare_one(connection, exchange)
    progress(f"exchanges {', '.join(exchange.name for exchange in topology.exchanges)}")
    for queue in topology.queues:
        await _declare_one(connection, queue)
    async with connection.channel() as channel:
        for binding in topology.bindings:
            queue_ = await channel.get_queue(binding.queue, ensure=False)
            await queue_.bind(binding.exchange, binding.routing_key)
        for between in topology.exchange_bindings:
            destination = await channel.get_exchange(between.destination, ensure=False)
            await destination.bind(between.source, between.routing_key)
        for binding in topology.retired_bindings:
            queue_ = await channel.get_queue(binding.queue, ensure=False)
            await queue_.unbind(binding.exchange, binding.routing_key)
    progress(f"queues {', '.join(queue.name for queue in topology.queues)}")


async def _declare_one(connection: AbstractConnection, wanted: Exchange | Queue) -> None:
    """On a channel of its own: the broker closes it when something of that name is there but differs."""
    try:
        async with connection.channel() as channel:
            if isinstance(wanted, Exchange):
                await channel.declare_exchange(wanted.name, wanted.type, durable=True)
            else:
                await channel.declare_queue(wanted.name, durable=True, arguments=dict(wanted.arguments))
    except aiormq.ChannelPreconditionFailed as error:
        kind = type(wanted).__name__.lower()
        raise SetupError(
            f"{kind} {wanted.name!r} exists with other arguments: drain and delete it, then run this again"
            f" ({in_words(error)})"
        ) from error


async def _check_partitions(api: ManagementApi, vhost: str, topology: Topology) -> None:
    """A queue that nobody consumes any more must not go on getting its share of the messages."""
    for exchange in topology.exchanges:
        if exchange.type in PLUGIN_OF:
            wanted = {binding.queue for binding in topology.bindings if binding.exchange == exchange.name}
            wanted |= {between.destination for between in topology.exchange_bindings if between.source == exchange.name}
            bound = await api.get("exchanges", vhost, exchange.name, "bindings", "source")
            extra = sorted({str(binding["destination"]) for binding in bound} - wanted)
            if extra:
                raise SetupError(
                    f"exchange {exchange.name!r} still feeds {', '.join(extra)}: the number of partitions can grow"
                    " but not shrink; unbind and drain these first"
                )
