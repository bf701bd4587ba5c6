"""A peer: its module in `peers/` played as processes, with a vhost and databases of its own on the same servers."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import aio_pika

from deploy.native.layout import ROOT
from deploy.native.stack import NativeStack
from shared.messaging.management_api import ManagementApi, ManagementApiError
from shared.messaging.opening import open_connection
from tests.benchmarks.commands import Command, as_line
from tests.benchmarks.ours import SERVERS
from tests.benchmarks.sender import Sender
from tests.benchmarks.stores import Counted, Stores, Watched, of_command
from tests.support.stack import AdminUrls, servers_admin_urls

START_SECONDS = 60.0
STOP_SECONDS = 15.0
USERS = Watched("users")
WATCHED = (
    USERS,
    Watched("command_status", of_command),
    Watched("user_directory"),
    Watched("user_history", lambda command: f"{command.user_id}@{command.version:010}"),
)
COUNTED = (Counted("signup_stats", "signups"),)
"""The read models of `peers/view.py`."""


class Peer:
    """`name` is also that of its vhost and databases, `module` that of its file."""

    users, counted = USERS, COUNTED

    def __init__(self, name: str, module: str, servers: NativeStack, stores: Stores, python: Path, logs: Path) -> None:
        self.name = name
        self.stores = stores
        self._module = f"tests.benchmarks.peers.{module}"
        self._native = servers
        self._urls = servers_admin_urls(servers)
        self._amqp_url = self._urls.amqp + stores.database
        self._python = python
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    async def watched(self) -> Sequence[Watched]:
        return WATCHED

    async def reset(self) -> None:
        await self.renew()
        await self.run("prepare")

    async def renew(self) -> None:
        """An empty vhost and empty databases."""
        await self.stop()
        await _make_vhost(self._urls, self.stores.database)
        await self.stores.empty()

    async def load(self, commands: Sequence[Command]) -> None:
        await self.run("publish", "".join(as_line(command) + "\n" for command in commands))

    async def start_queries(self) -> None:
        self._start("project")
        await self._until_consumed("projection")

    async def start_commands(self, *, wait: bool = True) -> None:
        self._start("command")
        if wait:
            await self._until_consumed("commands")

    async def serve(self, queue: str | None = None) -> None:
        """RPC; returns when the queue has its consumer."""
        self._start("serve")
        if queue:
            await self._until_consumed(queue)

    async def stop(self, *, only_commands: bool = False) -> None:
        roles = ["command"] if only_commands else list(self._running)
        ending = [self._running.pop(role) for role in roles if role in self._running]
        for process in ending:
            process.send_signal(signal.SIGTERM)
        for process in ending:
            try:
                await asyncio.to_thread(process.wait, STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                await asyncio.to_thread(process.wait)

    def pids(self) -> Mapping[str, int]:
        servers = {name: pid for name in SERVERS if (pid := self._native.pid(name))}
        return servers | {role: process.pid for role, process in self._running.items()}

    def sender(self) -> Sender:
        return Sender(self._amqp_url)

    def exchange(self) -> str:
        return ""

    async def run(self, role: str, text: str = "", env: Mapping[str, str] | None = None) -> str:
        """Plays a role to its end; gives what it printed. Raises RuntimeError when it fails."""
        with self._log(role).open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *self._argv(role),
                cwd=ROOT,
                env=self._environment() | dict(env or {}),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
            output, _ = await process.communicate(text.encode())
        if process.returncode != 0:
            raise RuntimeError(f"{self.name} {role} failed: see {self._log(role)}")
        return output.decode()

    def _start(self, role: str) -> None:
        if role in self._running:
            return
        with self._log(role).open("ab") as log:
            self._running[role] = subprocess.Popen(
                self._argv(role),
                cwd=ROOT,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _argv(self, role: str) -> list[str]:
        return [str(self._python), "-m", self._module, role]

    def _environment(self) -> dict[str, str]:
        server, _, _ = self._urls.postgres.rpartition("/")
        host, _, options = self._urls.mongo.partition("/?")
        return os.environ | {
            "BENCH_AMQP_URL": self._amqp_url,
            "BENCH_POSTGRES_URL": f"{server}/{self.stores.database}",
            "BENCH_MONGO_URL": f"{host}/{self.stores.database}?{options}",
        }

    def _log(self, role: str) -> Path:
        return self._logs / f"{self.name}-{role}.log"

    async def _until_consumed(self, queue: str) -> None:
        async with await open_connection(self._amqp_url) as connection, asyncio.timeout(START_SECONDS):
            while True:
                ended = [role for role, process in self._running.items() if process.poll() is not None]
                if ended:
                    raise RuntimeError(f"{self.name} {ended[0]} ended: see {self._log(ended[0])}")
                try:
                    channel = await connection.channel()
                    declared = await channel.declare_queue(queue, passive=True)
                    if declared.declaration_result.consumer_count:
                        return
                    await channel.close()
                except aio_pika.exceptions.ChannelClosed:
                    pass  # not declared yet
                await asyncio.sleep(0.1)


async def _make_vhost(urls: AdminUrls, name: str) -> None:
    """Empty: one that is there is removed first."""
    user = urlsplit(urls.rabbitmq_api).username or ""
    async with ManagementApi(urls.rabbitmq_api) as api:
        with suppress(ManagementApiError):  # it was not there
            await api.delete("vhosts", name)
        await api.put("vhosts", name, body={})
        await api.put("permissions", name, user, body={"configure": ".*", "write": ".*", "read": ".*"})
