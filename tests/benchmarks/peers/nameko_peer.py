"""Nameko: RPC only. It was last released in 2021 and runs on Python 3.11; should it not import any more, the benchmark
says so and goes on without it.
"""

import eventlet

eventlet.monkey_patch()

import os  # noqa: E402
import sys  # noqa: E402
from typing import Any  # noqa: E402

from nameko.containers import ServiceContainer  # noqa: E402
from nameko.rpc import rpc  # noqa: E402
from nameko.standalone.rpc import ServiceRpcProxy  # noqa: E402

from tests.benchmarks.peers.asking import measured_windowed  # noqa: E402
from tests.benchmarks.peers.role import Servers, play, servers  # noqa: E402
from tests.benchmarks.peers.view import SyncView, shown  # noqa: E402

NAME = "queries"


class Queries:
    name = NAME
    view = SyncView(servers().mongo) if "serve" in sys.argv else None

    @rpc
    def get_user_by_id(self, user_id: str) -> dict[str, Any]:
        assert self.view is not None
        return shown(self.view.find(user_id))


def serve(of: Servers) -> None:
    container = ServiceContainer(Queries, {"AMQP_URI": of.amqp, "max_workers": int(os.environ.get("WORKERS", "64"))})
    container.start()
    container.wait()


def ask(of: Servers) -> None:
    with ServiceRpcProxy(NAME, {"AMQP_URI": of.amqp}, timeout=10) as queries:

        def receive(reply: Any) -> None:
            assert reply.result()["status"] == "ok"

        measured_windowed(queries.get_user_by_id.call_async, receive)


if __name__ == "__main__":
    play({"serve": serve, "ask": ask})
