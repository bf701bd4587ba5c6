"""taskiq with its RabbitMQ broker (taskiq-aio-pika): the naive pipeline's work in two tasks, run by `taskiq worker`
with its own defaults (two processes, quorum queues).
"""

import os
import sys
from typing import Any

import uvloop
from taskiq import TaskiqState
from taskiq.events import TaskiqEvents
from taskiq_aio_pika import AioPikaBroker, Exchange, Queue

from tests.benchmarks.peers.role import Servers, commands_from_stdin, play, servers
from tests.benchmarks.peers.store import AsyncStore, create_tables
from tests.benchmarks.peers.view import AsyncView, create_indexes

PREFETCH = 32
HANDLE, PROJECT = "handle_command", "project_event"


def command_broker() -> AioPikaBroker:
    """What the worker of commands runs."""
    broker, events = _broker(servers(), "commands"), projection_broker()

    @broker.on_event(TaskiqEvents.WORKER_STARTUP)
    async def start(_state: TaskiqState) -> None:
        await events.startup()

    store = AsyncStore(servers().postgres)

    @broker.task(HANDLE)
    async def handle(command_id: str, type_: str, body: dict[str, Any]) -> None:
        promised = await store.record(command_id, type_, body)
        if promised is None:
            return
        await events.find_task(PROJECT).kicker().with_task_id(promised.event["id"]).kiq(promised.event)
        await store.forget(promised.outbox_id)

    return broker


def projection_broker() -> AioPikaBroker:
    """What the worker of events runs."""
    broker = _broker(servers(), "projection")
    view = AsyncView(servers().mongo)

    @broker.task(PROJECT)
    async def project(event: dict[str, Any]) -> None:
        await view.apply(event)

    return broker


def _broker(of: Servers, queue: str) -> AioPikaBroker:
    return AioPikaBroker(of.amqp, qos=PREFETCH, exchange=Exchange(name=queue), task_queues=[Queue(name=queue)])


def prepare(of: Servers) -> None:
    create_tables(of.postgres)
    create_indexes(of.mongo)


async def publish(_servers: Servers) -> None:
    broker = command_broker()
    await broker.startup()
    task = broker.find_task(HANDLE)
    assert task is not None
    for command in commands_from_stdin():
        await task.kicker().with_task_id(command.id).kiq(command.id, command.type, command.body)
    await broker.shutdown()


def work(factory: str) -> None:
    taskiq = os.path.join(os.path.dirname(sys.executable), "taskiq")  # noqa: PTH118, PTH120 - no symlink may be followed
    os.execv(taskiq, [taskiq, "worker", f"tests.benchmarks.peers.taskiq_peer:{factory}", "--log-level", "WARNING"])


if __name__ == "__main__":
    play(
        {
            "prepare": prepare,
            "publish": lambda of: uvloop.run(publish(of)),
            "command": lambda _: work("command_broker"),
            "project": lambda _: work("projection_broker"),
        }
    )
