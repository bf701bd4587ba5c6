"""RabbitMQ's own tool, on a broker of ours."""

import asyncio
import os

from deploy.native.layout import Layout
from deploy.native.rabbitmq import find_rabbitmq, rabbitmq


async def rabbitmqctl(layout: Layout, *command: str) -> str:
    """What `rabbitmqctl <command>` prints; AssertionError with that when it fails."""
    server = find_rabbitmq()
    assert server is not None
    process = await asyncio.create_subprocess_exec(
        *(str(server.with_name("rabbitmqctl")), "-n", "cqrs@localhost", *command),
        env={**os.environ, **rabbitmq(layout).env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode(errors="replace")
    return output.decode(errors="replace")
