"""From a process's first line to its exit code."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar

import structlog
import uvloop

from shared.runtime.errors import StartupError, in_one_line
from shared.runtime.garbage import search_less, search_regularly
from shared.runtime.logging import configure_logging
from shared.runtime.settings import InvalidSettingsError, ServiceSettings, Settings, load_settings

STOPPED = 0
FAILED = 1
BAD_SETTINGS = 2

SettingsT = TypeVar("SettingsT", bound=Settings)
ServiceSettingsT = TypeVar("ServiceSettingsT", bound=ServiceSettings)
T = TypeVar("T")

logger = structlog.stdlib.get_logger(__name__)


def run_service(
    settings_type: type[ServiceSettingsT],
    serve: Callable[[ServiceSettingsT, asyncio.Event], Coroutine[Any, Any, None]],
) -> int:
    """Runs a service until it is told to stop, and gives the process's exit code.

    `serve(settings, stop)` returns once `stop` is set (by SIGTERM or SIGINT) and the work in hand is done: exit code 0.
    A second signal ends the process at once (143, 130). Bad settings: a line for each on stderr and 2. A start-up
    failure (see `started`): one line and 1. A crash, a return without being told to, or a drain that takes longer than
    `drain_seconds`: logged, and 1.
    """
    return _run(settings_type, lambda settings: _serve_until_stopped(serve, settings), "can't start")


def run_job(settings_type: type[SettingsT], job: Callable[[SettingsT], Coroutine[Any, Any, None]]) -> int:
    """Runs a one-shot job: 0 when it is done, 1 and one line on stderr when it failed, 2 for bad settings."""
    return _run(settings_type, lambda settings: _failing_in_one_line(job(settings)), "failed")


@asynccontextmanager
async def started(service: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
    """Enters a service's bootstrap; what goes wrong until then is a StartupError, one line instead of a traceback.

    Used as `async with started(bootstrap(settings)) as service: await service.run(stop)`. Once it is entered, garbage
    is searched for less often (see garbage.py).
    """
    entered = False
    try:
        async with service as running:
            entered = True
            search_less()
            searching = asyncio.create_task(search_regularly(), name="search for garbage")
            try:
                yield running
            finally:
                searching.cancel()
    except Exception as error:
        if entered or isinstance(error, StartupError):
            raise
        raise StartupError(in_one_line(error)) from error


def _run(
    settings_type: type[SettingsT], start: Callable[[SettingsT], Coroutine[Any, Any, int]], error_prefix: str
) -> int:
    try:
        settings = load_settings(settings_type)
    except InvalidSettingsError as error:
        for line in error.lines:
            sys.stderr.write(f"{line}\n")
        return BAD_SETTINGS
    configure_logging(settings.log_level, settings.log_format)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(start(settings))
    except StartupError as error:
        logger.debug("start-up failed", exc_info=True)
        sys.stderr.write(f"{error_prefix}: {in_one_line(error)}\n")
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception:
        logger.critical("crashed", exc_info=True)
    return FAILED


async def _failing_in_one_line(job: Awaitable[None]) -> int:
    try:
        await job
    except Exception as error:
        raise StartupError(in_one_line(error)) from error
    return STOPPED


async def _serve_until_stopped(
    serve: Callable[[ServiceSettingsT, asyncio.Event], Coroutine[Any, Any, None]], settings: ServiceSettingsT
) -> int:
    stop = asyncio.Event()
    _stop_on_signals(stop)
    serving = asyncio.create_task(serve(settings, stop), name="service")
    stopping = asyncio.create_task(stop.wait(), name="stop signal")
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    done, _ = await asyncio.wait({serving}, timeout=settings.drain_seconds)
    if not done:
        serving.cancel()
        await asyncio.wait({serving}, timeout=1.0)
        logger.error("not drained in time", drain_seconds=settings.drain_seconds)
        return FAILED
    serving.result()
    if not stop.is_set():
        logger.error("ended without being told to")
        return FAILED
    logger.info("stopped")
    return STOPPED


def _stop_on_signals(stop: asyncio.Event) -> None:
    told = False

    def handle(received: signal.Signals) -> None:
        nonlocal told
        if told:
            os._exit(128 + received)
        told = True
        logger.info("stopping", signal=received.name)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, handle, number)
