"""Celery: the naive pipeline's work in two tasks. Late acknowledgement, confirms, quorum queues, a process for each of
two cores, as its guides on optimizing and on RabbitMQ say.
"""

from typing import Any

from celery import Celery
from celery.result import AsyncResult
from kombu import Queue

from tests.benchmarks.peers.asking import measured_windowed
from tests.benchmarks.peers.role import Servers, commands_from_stdin, play
from tests.benchmarks.peers.store import SyncStore, create_tables
from tests.benchmarks.peers.view import SyncView, create_indexes, shown

PROCESSES = "2"
HANDLE, PROJECT, GET_USER = "handle_command", "project_event", "get_user_by_id"
QUEUES = {HANDLE: "commands", PROJECT: "projection", GET_USER: "queries"}


def app_of(servers: Servers, *, durable: bool = True) -> Celery:
    """`durable`: for commands and events. Questions are not worth a quorum queue, confirms and late acknowledgement."""
    app = Celery("bench", broker=servers.amqp.replace("amqp://", "pyamqp://"), backend="rpc://")
    arguments = {"x-queue-type": "quorum"} if durable else {}
    app.conf.update(
        task_acks_late=durable,
        task_reject_on_worker_lost=durable,
        task_ignore_result=durable,
        worker_detect_quorum_queues=durable,
        task_queues=[Queue(queue, queue_arguments=arguments) for queue in QUEUES.values()],
        task_routes={task: {"queue": queue} for task, queue in QUEUES.items()},
        broker_transport_options={"confirm_publish": durable},
        broker_connection_retry_on_startup=True,
    )
    _Tasks(servers, app)
    return app


class _Tasks:
    """Connections are made on first use: each process of the pool needs its own."""

    def __init__(self, servers: Servers, app: Celery) -> None:
        self._servers = servers
        self._app = app
        self._store: SyncStore | None = None
        self._view: SyncView | None = None
        app.task(self.handle, name=HANDLE)
        app.task(self.project, name=PROJECT)
        app.task(self.get_user_by_id, name=GET_USER)

    def handle(self, command_id: str, type_: str, body: dict[str, Any]) -> None:
        self._store = self._store or SyncStore(self._servers.postgres)
        promised = self._store.record(command_id, type_, body)
        if promised is None:
            return
        self._app.send_task(PROJECT, [promised.event], task_id=promised.event["id"])
        self._store.forget(promised.outbox_id)

    def project(self, event: dict[str, Any]) -> None:
        self._view = self._view or SyncView(self._servers.mongo)
        self._view.apply(event)

    def get_user_by_id(self, user_id: str) -> dict[str, Any]:
        self._view = self._view or SyncView(self._servers.mongo)
        return shown(self._view.find(user_id))


def prepare(servers: Servers) -> None:
    create_tables(servers.postgres)
    create_indexes(servers.mongo)


def publish(servers: Servers) -> None:
    app = app_of(servers)
    for command in commands_from_stdin():
        app.send_task(HANDLE, [command.id, command.type, command.body], task_id=command.id)


def work(servers: Servers, task: str) -> None:
    options = ["--concurrency", PROCESSES, "--loglevel", "WARNING", "--without-gossip", "--without-mingle"]
    app = app_of(servers, durable=task != GET_USER)
    app.worker_main(["worker", "--queues", QUEUES[task], "--hostname", f"{task}@bench", *options])


def ask(servers: Servers) -> None:
    app = app_of(servers, durable=False)

    def send(user_id: str) -> AsyncResult[dict[str, Any]]:
        return app.send_task(GET_USER, [user_id])

    def receive(result: AsyncResult[dict[str, Any]]) -> None:
        assert result.get(timeout=10)["status"] == "ok"

    measured_windowed(send, receive)


if __name__ == "__main__":
    play(
        {
            "prepare": prepare,
            "publish": publish,
            "command": lambda servers: work(servers, HANDLE),
            "project": lambda servers: work(servers, PROJECT),
            "serve": lambda servers: work(servers, GET_USER),
            "ask": ask,
        }
    )
