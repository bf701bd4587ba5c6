"""`cqrs projection`: read models, and what to have done with them. The work is the query service's own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeVar

from cyclopts import App, Parameter
from cyclopts.validators import Number
from pydantic import BaseModel
from rich.text import Text

from services.ops.broker import operator_connection
from services.ops.confirmation import confirm
from services.ops.errors import OpsError
from services.ops.exit_code import ExitCode
from services.ops.parked.projection_control import Caller, told
from services.ops.projections.watch import follow
from services.ops.rendering.projections import ended_text, projections_table
from services.ops.settings import load_ops_settings, required
from services.ops.terminal import note, show, show_json
from shared.contracts.answer import Failed
from shared.contracts.control.projection_control import ProjectionControl
from shared.contracts.control.projections import (
    CancelProjectionJob,
    ListProjections,
    PausedProjection,
    PauseProjection,
    ProjectionJob,
    ProjectionList,
    PrunedGenerations,
    PruneProjection,
    RebuildProjection,
    ResumeProjection,
    RollBackProjection,
    VerifyProjection,
)
from shared.messaging.rpc_client import RpcClient

ASK_SECONDS = 15.0
NO_WAIT = Parameter(negative="--no-wait")

ViewT = TypeVar("ViewT", bound=BaseModel)

app = App(name="projection", help="Read models: how far they are, and what to have done with them.")


@app.command(name="list")
async def list_(*, json: bool = False) -> ExitCode:
    """List read models: position in the event log, lag behind its head, generation, parked aggregates, work.

    Parameters
    ----------
    json
        One JSON document on stdout.
    """
    async with _caller() as caller:
        found = await _ask(caller, ListProjections(), ProjectionList)
    show_json(found.model_dump(mode="json")) if json else show(projections_table(found))
    return ExitCode.OK


@app.command
async def rebuild(model: str, /, *, wait: Annotated[bool, NO_WAIT] = True, json: bool = False) -> ExitCode:
    """Build a read model anew from the event log, beside the live one, and put it in its place.

    It is filled, brought up to date, verified against the log, and switched to in one moment; queries go on meanwhile.
    The work goes on in the query service when this command is interrupted; the same command shows it again.

    Parameters
    ----------
    model
        The read model, such as users.
    wait
        Until it is done; --no-wait only starts it.
    json
        One JSON document on stdout.
    """
    return await _work(model, RebuildProjection(model=model), wait=wait, json=json)


@app.command
async def rollback(model: str, /, *, wait: Annotated[bool, NO_WAIT] = True, json: bool = False) -> ExitCode:
    """Go back to the generation that was live before; it is brought up to date first.

    Parameters
    ----------
    model
        The read model, such as users.
    wait
        Until it is done; --no-wait only starts it.
    json
        One JSON document on stdout.
    """
    return await _work(model, RollBackProjection(model=model), wait=wait, json=json)


@app.command
async def verify(
    model: str,
    /,
    *,
    repair: bool = False,
    patience: Annotated[float, Parameter(validator=Number(gte=0, lte=3600))] = 5.0,
    wait: Annotated[bool, NO_WAIT] = True,
    json: bool = False,
) -> ExitCode:
    """Compare every document of a read model with the event log. Exit code 1 when one differs (and is not repaired).

    Parameters
    ----------
    model
        The read model, such as users.
    repair
        Mend what differs, document by document, from the log.
    patience
        Seconds that a document may lack events that are on their way.
    wait
        Until it is done; --no-wait only starts it.
    json
        One JSON document on stdout.
    """
    control = VerifyProjection(model=model, repair=repair, patience=patience)
    return await _work(model, control, wait=wait, json=json)


@app.command
async def cancel(model: str, /, *, json: bool = False) -> ExitCode:
    """End the work that is under way with a read model. What is left of it goes with `prune`.

    Parameters
    ----------
    model
        The read model, such as users.
    json
        One JSON document on stdout.
    """
    async with _caller() as caller:
        job = await _ask(caller, CancelProjectionJob(model=model), ProjectionJob)
    show_json(_document(model, job)) if json else show(Text(f"{job.kind} of {model} cancelled"))
    return ExitCode.OK


@app.command
async def prune(model: str, /, *, yes: bool = False, json: bool = False) -> ExitCode:
    """Drop the generations of a read model that are not live. There is no way back to them then.

    Parameters
    ----------
    model
        The read model, such as users.
    yes
        Don't ask.
    json
        One JSON document on stdout.
    """
    confirm(f"drop all generations of {model} but the live one?", yes=yes)
    async with _caller() as caller:
        pruned = await _ask(caller, PruneProjection(model=model), PrunedGenerations)
    dropped = ", ".join(map(str, pruned.generations)) or "none"
    show_json(pruned.model_dump(mode="json")) if json else show(Text(f"{model}: generations dropped: {dropped}"))
    return ExitCode.OK


@app.command
async def pause(model: str, /, *, json: bool = False) -> ExitCode:
    """Stop projecting into a read model, in all processes. Its queue keeps the events; the others go on.

    Parameters
    ----------
    model
        The read model, such as users.
    json
        One JSON document on stdout.
    """
    return await _pause(PauseProjection(model=model), json=json)


@app.command
async def resume(model: str, /, *, json: bool = False) -> ExitCode:
    """Go on projecting into a read model that was paused.

    Parameters
    ----------
    model
        The read model, such as users.
    json
        One JSON document on stdout.
    """
    return await _pause(ResumeProjection(model=model), json=json)


async def _pause(control: ProjectionControl, *, json: bool) -> ExitCode:
    async with _caller() as caller:
        state = await _ask(caller, control, PausedProjection)
    text = f"{state.model} is paused" if state.paused else f"{state.model} goes on"
    show_json(state.model_dump(mode="json")) if json else show(Text(text))
    return ExitCode.OK


async def _work(model: str, control: ProjectionControl, *, wait: bool, json: bool) -> ExitCode:
    async with _caller() as caller:
        job = await _ask(caller, control, ProjectionJob)
        if wait:
            try:
                job = await follow(caller, model, job)
            except (KeyboardInterrupt, asyncio.CancelledError):
                note(f"the {job.kind} goes on in the query service: cqrs projection list shows it")
                raise
    if json:
        show_json(_document(model, job))
    elif wait:
        show(ended_text(model, job))
    else:
        show(Text(f"{job.kind} of {model} is under way: cqrs projection list shows it"))
    return exit_code(job)


def exit_code(job: ProjectionJob) -> ExitCode:
    if job.state in ("failed", "cancelled"):
        return ExitCode.NO
    wrong = job.kind == "verify" and job.report is not None and job.report.differences > job.report.repaired
    return ExitCode.NO if wrong else ExitCode.OK


def _document(model: str, job: ProjectionJob) -> dict[str, Any]:
    return {"model": model, **job.model_dump(mode="json")}


@asynccontextmanager
async def _caller() -> AsyncIterator[Caller]:
    url = required(load_ops_settings(), "ops_amqp_url")
    async with operator_connection(url) as connection, RpcClient(connection) as caller:
        yield caller


async def _ask(caller: Caller, control: ProjectionControl, view: type[ViewT]) -> ViewT:
    """Raises OpsError when the answer is an error, or none comes."""
    answer = await told(caller, control, timeout=ASK_SECONDS)
    if isinstance(answer, Failed):
        raise OpsError(answer.error.message, ExitCode.UNREACHABLE if answer.error.retryable else ExitCode.NO)
    return view.model_validate(answer.data)
