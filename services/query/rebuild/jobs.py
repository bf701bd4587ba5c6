"""Long work on read models that outlives whoever asked for it and whoever does it.

A document of `projection_jobs`, one for each read model: `_id` (the model), `kind` (rebuild, rollback, verify), `state`
(running, done, failed, cancelled), `phase`, what the work is about (`target`, `cursor`, `position`, `done`, `total`,
`report` …), `started_at`, `at` (of the last step), `finished_at`, `error`; `token` of the process that does it, and
`lease_until`, the server's time until when nobody else may take it over.
"""

from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from pymongo import ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from services.query.mongo.collections import Collections
from services.query.read_model import Document

LEASE_SECONDS: Final = 10.0
FREE: Final = datetime(1970, 1, 1, tzinfo=UTC)
RUNNING, DONE, FAILED, CANCELLED = "running", "done", "failed", "cancelled"


class JobLostError(Exception):
    """The job was cancelled, or another process has taken it over."""


class JobRunningError(Exception):
    """There is work on this read model already."""

    def __init__(self, job: Document) -> None:
        super().__init__(f"{job['_id']}: a {job['kind']} is running already")
        self.job = job


class Jobs:
    """Raises PyMongoError."""

    def __init__(self, collections: Collections, *, lease: float = LEASE_SECONDS) -> None:
        self._jobs = collections.jobs
        self.lease = lease

    async def start(self, model: str, kind: str, **fields: Any) -> Document:
        """For whichever process is the first to find it. Raises JobRunningError."""
        job: Document = {
            "_id": model,
            "kind": kind,
            "state": RUNNING,
            "phase": "waiting",
            "done": 0,
            "started_at": datetime.now(UTC),
            "at": datetime.now(UTC),
            "token": None,
            "lease_until": FREE,
            **fields,
        }
        try:
            await self._jobs.find_one_and_replace({"_id": model, "state": {"$ne": RUNNING}}, job, upsert=True)
        except DuplicateKeyError:
            running = await self.of(model)
            if running is None or running["state"] != RUNNING:
                return await self.start(model, kind, **fields)
            raise JobRunningError(running) from None
        return job

    async def claim(self) -> Document | None:
        """A job that nobody does (any more), now ours."""
        return await self._jobs.find_one_and_update(
            {"state": RUNNING, "$expr": {"$lt": ["$lease_until", "$$NOW"]}},
            [{"$set": {"token": uuid4().hex, "lease_until": self._end_of_lease()}}],
            return_document=ReturnDocument.AFTER,
        )

    async def renew(self, job: Document) -> None:
        """Raises JobLostError."""
        await self._update(job, [{"$set": {"lease_until": self._end_of_lease()}}])

    async def save(self, job: Document, session: AsyncClientSession | None = None, **fields: Any) -> None:
        """Notes how far it has come; in a transaction (that of `session`) not in `job` itself, since it may be undone.

        Raises JobLostError: then nothing more may be done.
        """
        await self._update(job, {"$set": fields, "$currentDate": {"at": True}}, session)
        if session is None:
            job.update(fields)

    async def finish(self, job: Document, state: str, session: AsyncClientSession | None = None, **fields: Any) -> None:
        """Raises JobLostError."""
        await self.save(job, session, state=state, finished_at=datetime.now(UTC), token=None, **fields)

    async def release(self, job: Document) -> None:
        """For another process to go on with at once. Raises JobLostError."""
        await self._update(job, {"$set": {"lease_until": FREE, "token": None}})

    async def cancel(self, model: str, phases_too_late: tuple[str, ...]) -> Document | None:
        """The job that was cancelled; None when there is none to cancel (any more)."""
        change = {"state": CANCELLED, "finished_at": datetime.now(UTC), "token": None}
        return await self._jobs.find_one_and_update(
            {"_id": model, "state": RUNNING, "phase": {"$nin": phases_too_late}}, {"$set": change}
        )

    async def of(self, model: str) -> Document | None:
        return await self._jobs.find_one({"_id": model})

    async def all(self) -> dict[str, Document]:
        return {job["_id"]: job async for job in self._jobs.find()}

    async def _update(
        self, job: Document, change: dict[str, Any] | list[Any], session: AsyncClientSession | None = None
    ) -> None:
        mine = {"_id": job["_id"], "state": RUNNING, "token": job["token"]}
        result = await self._jobs.update_one(mine, change, session=session)
        if result.matched_count != 1:
            raise JobLostError(f"{job['kind']} of {job['_id']}")

    def _end_of_lease(self) -> dict[str, Any]:
        return {"$add": ["$$NOW", round(self.lease * 1000)]}
