"""Our system: the native stack's services, one process each."""

import asyncio
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace

from deploy.native.client_env import client_env
from deploy.native.layout import ROOT, Layout
from deploy.native.part import Part
from deploy.native.services import VHOST, setup_environment
from deploy.native.stack import SERVICES, NativeStack
from services.query.bootstrap import PROJECTION_QUEUES, READ_MODELS
from services.query.mongo.collections import Collections
from services.query.read_model import RecordedModel
from shared.messaging.opening import open_connection
from shared.messaging.topology import commands_queues
from tests.benchmarks.commands import Command
from tests.benchmarks.sender import Sender, packed
from tests.benchmarks.stores import Counted, Stores, Watched, of_command, of_user
from tests.support.stack import servers_admin_urls

SERVERS = ("rabbitmq", "postgres", "mongo")
STORE_JOBS = ("services.command.setup", "services.query.setup")
DATABASE = "cqrs"


class OnDatabase(NativeStack):
    """The services of a stack on databases of that name."""

    def __init__(self, layout: Layout, database: str) -> None:
        super().__init__(layout)
        self._database = database

    def _part(self, name: str) -> Part:
        part = super()._part(name)
        if name.partition("-")[0] not in SERVICES:
            return part
        return replace(part, env=renamed(part.env, self._database))


class Ours:
    name = "ours"
    counted: Sequence[Counted] = ()
    """The counters' own read model is watched: it has a document for each user."""

    def __init__(self, servers: NativeStack, stores: Stores) -> None:
        self.stores = stores
        self.native = OnDatabase(servers.layout, stores.database)
        self.users = Watched(Collections(stores.documents).live("users").name)
        self._amqp_url = client_env(servers.layout)["CQRS_AMQP_URL"]

    async def watched(self) -> Sequence[Watched]:
        """Every read model that the query service keeps."""
        collections = Collections(self.stores.documents)
        await collections.refresh()
        return [
            Watched(collections.live(model.name).name, of_command if isinstance(model, RecordedModel) else of_user)
            for model in READ_MODELS
        ]

    async def reset(self) -> None:
        await self.stop()
        await self._empty_queues()
        await self.stores.empty()
        await asyncio.to_thread(self._set_up_stores)

    async def load(self, commands: Sequence[Command]) -> None:
        async with self.sender() as sender:
            await sender.send([packed(command) for command in commands])

    async def start_queries(self) -> None:
        await asyncio.to_thread(self.native.start, "query")

    async def start_commands(self, *, wait: bool = True) -> None:
        await asyncio.to_thread(self.native.start, "command", wait=wait)

    async def stop(self, *, only_commands: bool = False) -> None:
        services = ("command",) if only_commands else tuple(SERVICES)
        names = [name for name in self.native.running() if name.partition("-")[0] in services]
        await asyncio.to_thread(self.native.stop, names)

    def pids(self) -> Mapping[str, int]:
        names = [*SERVERS, *(name for name in self.native.running() if name.partition("-")[0] in SERVICES)]
        return {name.removesuffix("-1"): pid for name in names if (pid := self.native.pid(name))}

    def sender(self) -> Sender:
        return Sender(self._amqp_url)

    def exchange(self) -> str:
        return "commands"

    async def _empty_queues(self) -> None:
        """What a load that was too high, or a drain that stalled, left there."""
        url = f"{servers_admin_urls(self.native).amqp}{VHOST}"
        async with await open_connection(url) as connection:
            channel = await connection.channel()
            for name in (*commands_queues(), *(queue.queue for queue in PROJECTION_QUEUES)):
                await (await channel.get_queue(name)).purge()

    def _set_up_stores(self) -> None:
        env = renamed(setup_environment(self.native.layout), self.stores.database)
        env |= {"QUERY_SETUP_DATABASE": self.stores.database}
        for module in STORE_JOBS:
            command = [str(self.native.layout.python), "-m", module]
            subprocess.run(command, env=env, cwd=ROOT, check=True, capture_output=True)


def renamed(env: Mapping[str, str], database: str) -> dict[str, str]:
    """The same servers, another database. Not what comes from our own environment."""
    return {
        key: value.replace(f"/{DATABASE}", f"/{database}", 1)
        if key not in os.environ and value.startswith(("postgresql", "mongodb"))
        else value
        for key, value in env.items()
    }
