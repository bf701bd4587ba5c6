"""The command service: `python -m services.command`. Settings: environment variables `COMMAND_…`, see settings.py."""

import argparse
import asyncio

from services.command.bootstrap import bootstrap
from services.command.settings import CommandSettings
from shared.runtime.run import run_service, started
from shared.runtime.server import health_server


def main() -> int:
    argparse.ArgumentParser(prog="python -m services.command", description=__doc__).parse_args()
    return run_service(CommandSettings, serve)


async def serve(settings: CommandSettings, stop: asyncio.Event) -> None:
    async with (
        started(bootstrap(settings)) as service,
        started(health_server(service.health, service.registry, host=settings.http_host, port=settings.http_port)),
    ):
        await service.run(stop)
