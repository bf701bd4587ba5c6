"""A generation takes the place of the live one, under the eyes of everybody who reads and writes.

No event is missed: first both are written, in one transaction, by everybody (after `lease` nobody writes the old one
alone any more); what was written to the old one alone before is in the log by then, and is applied to the new one from
there. Only then the catalogue is changed, in one write.

No version goes back: whoever reads the new one sees what whoever still reads the old one sees, because for as long as
somebody may do that (another `lease`) both are still written in one transaction.
"""

import asyncio

from pymongo.asynchronous.client_session import AsyncClientSession

from services.query.mongo.collections import generation_name
from services.query.projector.catch_up import catch_up
from services.query.read_model import Document, FoldedModel
from services.query.rebuild.context import Context
from services.query.rebuild.parked_of_generations import adopt_parked, parked_ids, swap_parked

JOINING, SETTLING, LEAVING = "joining", "settling", "leaving"
TOO_LATE_TO_CANCEL = (SETTLING, LEAVING)
NEAR = 1000
"""Events behind the head of the log at which two generations may be written together."""
NAMED = 5


class CannotChangeError(Exception):
    """The new generation may not take the live one's place; the message says why."""


class ChangingPlaces:
    """The last steps of a job: each is noted in it, and begun again from there after a death."""

    def __init__(self, context: Context, model: FoldedModel, job: Document) -> None:
        self._context = context
        self._model = model
        self._job = job
        self._target = int(job["target"])
        self._projection = context.projection(model, self._target)

    async def run(self) -> None:
        """The generation must be complete up to the job's `position`. Raises CannotChangeError, JobLostError, and what
        fails with servers.
        """
        if self._job["phase"] not in TOO_LATE_TO_CANCEL:
            await self.catch_up()
            await self._join()
            await self._switch()
        if self._job["phase"] == SETTLING:
            await self._settle()
        await self._wait()

    async def catch_up(self) -> None:
        """Applies what the log holds beyond the job's `position`."""

        async def note(position: int) -> None:
            await self._context.jobs.save(self._job, position=position)

        await catch_up(
            self._context.reader, self._projection.apply, self._model.aggregate_type, int(self._job["position"]), note
        )

    async def _join(self) -> None:
        await self._context.jobs.save(self._job, phase=JOINING)
        await self._refuse_new_parked()
        await self._context.catalogue.write_beside(self._model.name, self._target)
        await self._wait()
        await self.catch_up()
        await self._refuse_new_parked()

    async def _refuse_new_parked(self) -> None:
        parked = await parked_ids(self._context.collections, generation_name(self._model.name, self._target))
        if new := sorted(parked - await parked_ids(self._context.collections, self._model.name)):
            names = ", ".join(new[:NAMED]) + (" …" if len(new) > NAMED else "")
            raise CannotChangeError(f"{len(new)} aggregates can't be projected that the live generation has: {names}")

    async def _switch(self) -> None:
        name, context, job = self._model.name, self._context, self._job
        old = int(job["live"])

        async def switch(session: AsyncClientSession) -> None:
            await context.jobs.save(job, session, phase=SETTLING)
            if not await context.catalogue.switch(name, old, self._target, int(job["position"]), session):
                raise CannotChangeError(f"another generation than {old} has become the live one")
            await swap_parked(context.collections, name, old, self._target, session)

        async with context.collections.database.client.start_session() as session:
            await session.with_transaction(switch)
        job["phase"] = SETTLING

    async def _settle(self) -> None:
        await self._wait()

        async def leave(session: AsyncClientSession) -> None:
            await self._context.jobs.save(self._job, session, phase=LEAVING)
            await self._context.catalogue.write_alone(self._model.name, session)
            await adopt_parked(self._context.collections, self._model.name, self._target, session)

        async with self._context.collections.database.client.start_session() as session:
            await session.with_transaction(leave)

    async def _wait(self) -> None:
        """Until nobody goes by the catalogue of before."""
        await asyncio.sleep(self._context.collections.lease)
