"""A service in a process of its own, for `test_run.py`: argv[1] says how it behaves."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from shared.runtime.background import BackgroundTasks
from shared.runtime.run import run_job, run_service, started
from shared.runtime.settings import Port, ServiceSettings


class UnderTestSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="UNDER_TEST_")

    http_port: Port = 0
    drain_seconds: float = 1.0
    password: SecretStr


@asynccontextmanager
async def bootstrap(behaviour: str) -> AsyncIterator[None]:
    if behaviour == "no-server":
        raise ConnectionError("can't reach amqp://u:s3cret@rabbit/\nat all")
    yield


async def serve(_settings: UnderTestSettings, stop: asyncio.Event) -> None:
    behaviour = sys.argv[1]
    async with started(bootstrap(behaviour)), BackgroundTasks(stop) as tasks:
        if behaviour == "crash":
            tasks.start(crash(), name="relay")
        if behaviour == "return":
            return
        sys.stdout.write("up\n")
        sys.stdout.flush()
        await stop.wait()
        if behaviour == "never-drains":
            await asyncio.sleep(60)
        sys.stdout.write("drained\n")


async def crash() -> None:
    raise ZeroDivisionError("a bug")


async def job(_settings: UnderTestSettings) -> None:
    if sys.argv[1] == "failing-job":
        raise ConnectionError("can't reach amqp://u:s3cret@rabbit/")


if __name__ == "__main__":
    sys.exit(run_job(UnderTestSettings, job) if "job" in sys.argv[1] else run_service(UnderTestSettings, serve))
