"""`cqrs parked`: aggregates that a read model can't go on with, and what to do with them."""

from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from services.ops.broker import operator_connection
from services.ops.errors import OpsError, UsageError
from services.ops.exit_code import ExitCode
from services.ops.parked.heal import heal
from services.ops.parked.store import parked_store
from services.ops.progress import Progress
from services.ops.rendering.parked import healed_json, healed_text, parked_json, parked_table, parked_text
from services.ops.settings import load_ops_settings, required
from services.ops.terminal import note, show, show_json
from shared.messaging.rpc_client import RpcClient

app = App(name="parked", help="Aggregates that a read model can't go on with; the others go on.")


@app.command(name="list")
async def list_(
    *,
    model: list[str] | None = None,
    reason: list[str] | None = None,
    limit: Annotated[int | None, Parameter(validator=Number(gt=0))] = None,
    json: bool = False,
) -> ExitCode:
    """List parked aggregates, the longest parked first.

    Parameters
    ----------
    model
        Of this read model, such as users; may be given several times.
    reason
        With this reason, such as projection_failed; may be given several times.
    limit
        So many at most.
    json
        One JSON document on stdout.
    """
    async with parked_store(_mongo_url()) as store:
        found = await store.find(models=model or (), reasons=reason or (), limit=limit)
    show_json({"parked": [parked_json(entry) for entry in found]}) if json else show(parked_table(found))
    return ExitCode.OK


@app.command(name="show")
async def show_(name: str, /, *, json: bool = False) -> ExitCode:
    """Show one parked aggregate, and why it is parked.

    Parameters
    ----------
    name
        Read model and aggregate, such as users/alice.
    json
        One JSON document on stdout.
    """
    wanted = [_checked(name)]
    async with parked_store(_mongo_url()) as store:
        found = await store.find(names=wanted)
    if not found:
        raise OpsError(f"{name} is not parked", ExitCode.NO)
    show_json(parked_json(found[0])) if json else show(parked_text(found[0]))
    return ExitCode.OK


@app.command(name="heal")
async def heal_(
    *names: str,
    model: list[str] | None = None,
    reason: list[str] | None = None,
    all: bool = False,  # noqa: A002 - the option is --all
    timeout: Annotated[float, Parameter(validator=Number(gt=0))] = 30.0,
    json: bool = False,
) -> ExitCode:
    """Apply what the event log holds of parked aggregates. Exit code 1 when one stays parked.

    Healing is harmless: it can be done again, and what still can't be applied stays parked with its reason.

    Parameters
    ----------
    names
        Read model and aggregate, such as users/alice; or say which with the filters, or --all.
    model
        All of this read model; may be given several times.
    reason
        All with this reason; may be given several times.
    all
        All that are parked.
    timeout
        Seconds for each.
    json
        One JSON document on stdout.
    """
    if not (names or model or reason or all):
        raise UsageError("which ones? Name them (users/alice), or give --model, --reason or --all")
    checked = [_checked(name) for name in dict.fromkeys(names)]
    settings = load_ops_settings()
    async with parked_store(_mongo_url()) as store:
        found = await store.find(names=checked, models=model or (), reasons=reason or ())
    missing = sorted(set(checked) - {entry.name for entry in found})
    if missing and not json:
        note(f"not parked (any more), or left out by a filter: {', '.join(missing)}", style="yellow")
    results = []
    if found:
        async with (
            operator_connection(required(settings, "ops_amqp_url")) as connection,
            RpcClient(connection) as caller,
        ):
            progress = Progress("healed", len(found))
            results = await heal(caller, found, timeout=timeout, progress=progress.advance)
    show_json(healed_json(results, missing)) if json else show(healed_text(results))
    return ExitCode.NO if any(result.reason for result in results) else ExitCode.OK


def _mongo_url() -> str:
    return required(load_ops_settings(), "mongo_url")


def _checked(name: str) -> str:
    model, slash, aggregate_id = name.partition("/")
    if not (model and slash and aggregate_id):
        raise UsageError(f"{name!r}: read model and aggregate look like users/alice")
    return name
