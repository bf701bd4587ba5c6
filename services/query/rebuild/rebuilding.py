"""A rebuild, a rollback (a generation is brought up to date beside the live one and takes its place), a verify."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pymongo
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import CollectionInvalid

from services.query.cancelled import cancelled
from services.query.mongo.collections import details_of
from services.query.projector.parking import Parking
from services.query.projector.targets import Target, generation_target
from services.query.read_model import Document, FoldedModel
from services.query.rebuild.changing_places import CannotChangeError, ChangingPlaces
from services.query.rebuild.context import Context
from services.query.rebuild.filling import Filling
from services.query.rebuild.verification import Verification

WAITING, FILLING, INDEXING, CATCHING_UP, VERIFYING = "waiting", "filling", "indexing", "catching up", "verifying"
INDEX_SECONDS = 3600.0
FOLLOW_SECONDS = 0.2
NOTE_SECONDS = 0.5
PATIENCE_SECONDS = 60.0
"""With documents that lack events: we ourselves bring these, as fast as the machine lets us."""


async def rebuild(context: Context, model: FoldedModel, job: Document) -> None:
    """Goes on from the job's `phase`. Raises CannotChangeError, JobLostError, and what fails with servers."""
    if job["phase"] == WAITING:
        await _prepare(context, model, job)
    if job["phase"] == FILLING:
        await _fill(context, model, job)
    if job["phase"] == INDEXING:
        await _index(context, model, job)
    changing = ChangingPlaces(context, model, job)
    if job["phase"] == CATCHING_UP:
        await changing.catch_up()
        await context.jobs.save(job, phase=VERIFYING, done=0)
    if job["phase"] == VERIFYING:
        await _verify(context, model, job, changing)
    await changing.run()


async def roll_back(context: Context, model: FoldedModel, job: Document) -> None:
    """To a generation that was live before: it gets what has happened since. Raises as `rebuild` does."""
    if job["phase"] == WAITING:
        complete_to = (await context.catalogue.entry(model.name)).complete_to(int(job["target"]))
        head = await context.reader.head([complete_to])
        await context.jobs.save(job, phase=CATCHING_UP, position=complete_to, total=head.behind[0].events)
    await ChangingPlaces(context, model, job).run()


async def _prepare(context: Context, model: FoldedModel, job: Document) -> None:
    documents = context.collections.generation(model.name, job["target"])
    for needed in (documents, details_of(documents)):
        with suppress(CollectionInvalid):  # it is there: we were here before
            await needed.database.create_collection(needed.name)
    head = await context.reader.head([0])
    await context.jobs.save(job, phase=FILLING, cursor="", done=0, position=head.settled, total=head.behind[0].events)


async def _fill(context: Context, model: FoldedModel, job: Document) -> None:
    async def note(session: AsyncClientSession, last_id: str, done: int) -> None:
        await context.jobs.save(job, session, cursor=last_id, done=done)

    target = generation_target(context.collections, model, job["target"])
    await Filling(model, target, context.reader, note).run(job["cursor"], job["done"])
    await context.jobs.save(job, phase=INDEXING)


async def _index(context: Context, model: FoldedModel, job: Document) -> None:
    """After the filling: an index over all documents is made in less time than one that is kept up with each."""
    if model.indexes:
        with pymongo.timeout(INDEX_SECONDS):
            await context.collections.generation(model.name, job["target"]).create_indexes(list(model.indexes))
    await context.jobs.save(job, phase=CATCHING_UP)


async def verify(context: Context, model: FoldedModel, job: Document) -> None:
    """Of the live generation; with the job's `repair` what differs is mended. Raises as `rebuild` does."""
    documents = context.collections.generation(model.name, job["target"])
    target = Target(documents, Parking(context.collections.parked, model.name, model.aggregate_type))
    head = await context.reader.head([0])
    await context.jobs.save(job, phase=VERIFYING, done=0, total=head.behind[0].events)
    report = await Verification(
        model,
        target,
        context.reader,
        context.event_log,
        repair=bool(job["repair"]),
        patience=float(job["patience"]),
        progress=_noting(context, job),
    ).run()
    await context.jobs.save(job, done=report.events, report=report.as_document())


async def _verify(context: Context, model: FoldedModel, job: Document, changing: ChangingPlaces) -> None:
    target = generation_target(context.collections, model, job["target"])
    async with _following(changing):
        report = await Verification(
            model,
            target,
            context.reader,
            context.event_log,
            patience=PATIENCE_SECONDS,
            progress=_noting(context, job),
        ).run()
    await context.jobs.save(job, report=report.as_document())
    if report.differences:
        raise CannotChangeError(f"verification has found {report.differences} differences from the log")


def _noting(context: Context, job: Document) -> Callable[[int], Awaitable[None]]:
    """Notes from time to time how many events are compared."""
    noted_at = 0.0

    async def note(done: int) -> None:
        nonlocal noted_at
        if time.monotonic() - noted_at >= NOTE_SECONDS:
            noted_at = time.monotonic()
            await context.jobs.save(job, done=done)

    return note


@asynccontextmanager
async def _following(changing: ChangingPlaces) -> AsyncIterator[None]:
    """Keeps up with the log inside the block."""

    enough = asyncio.Event()

    async def follow() -> None:
        while not enough.is_set():
            await changing.catch_up()
            with suppress(TimeoutError):
                async with asyncio.timeout(FOLLOW_SECONDS):
                    await enough.wait()

    following = asyncio.create_task(follow(), name="follow the log")
    try:
        yield
        enough.set()
        await following
    finally:
        enough.set()
        await cancelled(following)
