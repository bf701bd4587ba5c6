"""Does the jobs on read models, one at a time in each process."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final, TypeAlias

import structlog
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import PyMongoError

from services.query.cancelled import cancelled
from services.query.projector.event_log import EventLogUnavailableError
from services.query.projector.projection import ContendedError
from services.query.read_model import Document, FoldedModel
from services.query.rebuild.changing_places import CannotChangeError
from services.query.rebuild.context import Context
from services.query.rebuild.jobs import DONE, FAILED, JobLostError, Jobs
from services.query.rebuild.rebuilding import rebuild, roll_back, verify
from shared.messaging.backoff import Backoff

LOOK_SECONDS = 1.0
WORLD_FAILING = (PyMongoError, EventLogUnavailableError, ContendedError)

Work: TypeAlias = Callable[[Context, FoldedModel, Document], Awaitable[None]]
WORK: Final[Mapping[str, Work]] = {"rebuild": rebuild, "rollback": roll_back, "verify": verify}

logger = structlog.stdlib.get_logger(__name__)


class JobWorker:
    """Takes whatever job nobody does, also one whose process died or was stopped in the middle, and goes on with it."""

    def __init__(self, context: Context, models: Mapping[str, FoldedModel], *, backoff: Backoff | None = None) -> None:
        self._context = context
        self._jobs: Jobs = context.jobs
        self._models = models
        self._backoff = backoff or Backoff()

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; what is under way then is left to another process, at the point that it has come to."""
        while not stop.is_set():
            try:
                job = await self._jobs.claim()
                if job is not None:
                    await self._do_until_stopped(job, stop)
                    continue
            except PyMongoError as error:
                logger.warning("jobs can't be looked at", error=type(error).__name__)
            await _wait(stop, LOOK_SECONDS)

    async def _do_until_stopped(self, job: Document, stop: asyncio.Event) -> None:
        doing = asyncio.create_task(self._do(job), name=f"{job['kind']} {job['_id']}")
        renewing = asyncio.create_task(self._keep(job), name=f"keep {job['kind']} {job['_id']}")
        stopping = asyncio.create_task(stop.wait(), name="stop job")
        try:
            await asyncio.wait({doing, renewing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancelled(doing, renewing, stopping)
            for task in (doing, renewing):
                error = None if task.cancelled() else task.exception()
                if error is not None and not isinstance(error, JobLostError | PyMongoError):
                    logger.error("job crashed", kind=job["kind"], read_model=job["_id"], exc_info=error)
            if stop.is_set():
                with suppress(JobLostError, PyMongoError):
                    await self._jobs.release(job)

    async def _do(self, job: Document) -> None:
        """Tries again while a server is away."""
        attempt = 0
        logger.info("job begins", kind=job["kind"], read_model=job["_id"], phase=job["phase"])
        while True:
            try:
                await WORK[job["kind"]](self._context, self._models[job["_id"]], job)
                await self._jobs.finish(job, DONE, phase=DONE, error=None)
                logger.info("job is done", kind=job["kind"], read_model=job["_id"])
                return
            except JobLostError:
                logger.info("job was cancelled or taken over", kind=job["kind"], read_model=job["_id"])
                return
            except CannotChangeError as error:
                await self._give_up(job, str(error))
                return
            except WORLD_FAILING as error:
                attempt += 1
                name = type(error).__name__
                logger.warning("job waits", kind=job["kind"], read_model=job["_id"], error=name)
                with suppress(PyMongoError, JobLostError):
                    await self._jobs.save(job, error=f"attempt {attempt} failed: {name}")
                await asyncio.sleep(self._backoff.delay(attempt))
                with suppress(PyMongoError):
                    job = await self._read_again(job)
            except Exception as error:
                logger.exception("job failed", kind=job["kind"], read_model=job["_id"])
                await self._give_up(job, f"{type(error).__name__}; the log of the query service says more")
                return

    async def _give_up(self, job: Document, why: str) -> None:
        logger.error("job failed", kind=job["kind"], read_model=job["_id"], why=why)

        async def finish(session: AsyncClientSession) -> None:
            await self._jobs.finish(job, FAILED, session, error=why)
            await self._context.catalogue.write_alone(job["_id"], session)

        with suppress(JobLostError):
            async with self._context.collections.database.client.start_session() as session:
                await session.with_transaction(finish)

    async def _read_again(self, job: Document) -> Document:
        """As it was last noted: what failed may have been noted all the same."""
        noted = await self._jobs.of(job["_id"])
        return noted if noted is not None and noted.get("token") == job["token"] else job

    async def _keep(self, job: Document) -> None:
        """Renews the lease; returns when the job is somebody else's."""
        while True:
            await asyncio.sleep(self._jobs.lease / 4)
            try:
                await self._jobs.renew(job)
            except JobLostError:
                return
            except PyMongoError as error:
                logger.warning("lease not renewed", read_model=job["_id"], error=type(error).__name__)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
