"""`cqrs dlq`: messages that could not be processed, and what to do with them."""

from collections.abc import Sequence
from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ops.broker import operator_connection
from services.ops.confirmation import confirm
from services.ops.dead_letters.filters import NO_FILTERS, Filters, chosen
from services.ops.dead_letters.redrive import Redrive
from services.ops.dead_letters.selection import Selection
from services.ops.dead_letters.store import DeadLetterStore
from services.ops.errors import OpsError, UsageError
from services.ops.exit_code import ExitCode
from services.ops.postgres import postgres
from services.ops.progress import Progress
from services.ops.rendering.dead_letters import (
    groups_json,
    groups_table,
    letter_json,
    letter_text,
    letters_json,
    letters_table,
    redriven_json,
    redriven_text,
)
from services.ops.settings import load_ops_settings, required
from services.ops.terminal import note, show, show_json
from shared.messaging.publisher import AmqpPublisher

DROP_BATCH = 1000

app = App(name="dlq", help="Dead letters: messages that could not be processed.")

ID = Number(gte=1, lte=2**63 - 1)


Limit = Annotated[int | None, Parameter(validator=Number(gt=0))]


@app.command(name="list")
async def list_(
    *,
    filters: Filters = NO_FILTERS,
    all: bool = False,  # noqa: A002 - the option is --all
    limit: Limit = None,
    json: bool = False,
) -> ExitCode:
    """Count dead letters by reason and type.

    Parameters
    ----------
    all
        Each letter by itself, with its id.
    limit
        With --all: so many at most; the first 100 when not given.
    json
        One JSON document on stdout.
    """
    selection = filters.selection()
    async with postgres(_postgres_url()) as engine:
        store = DeadLetterStore(engine)
        if all:
            letters = await store.letters(selection, limit=limit or 100)
            show_json(letters_json(letters)) if json else show(letters_table(letters))
        else:
            groups = await store.groups(selection)
            show_json(groups_json(groups)) if json else show(groups_table(groups))
    return ExitCode.OK


@app.command(name="show")
async def show_(
    letter: Annotated[int, Parameter(validator=ID)], /, *, full: bool = False, json: bool = False
) -> ExitCode:
    """Show one dead letter, without the values that it carried.

    Parameters
    ----------
    letter
        Its id, from `cqrs dlq list --all`.
    full
        With its values. They may be personal data.
    json
        One JSON document on stdout.
    """
    async with postgres(_postgres_url()) as engine:
        letters = await DeadLetterStore(engine).letters(Selection(ids=(letter,)))
    if not letters:
        raise OpsError(f"there is no dead letter {letter}", ExitCode.NO)
    show_json(letter_json(letters[0], full=full)) if json else show(letter_text(letters[0], full=full))
    return ExitCode.OK


@app.command
async def redrive(
    *ids: Annotated[int, Parameter(validator=ID)],
    filters: Filters = NO_FILTERS,
    all: bool = False,  # noqa: A002
    dry_run: bool = False,
    rate: Annotated[
        str | None, Parameter(help="So many a second at most: 50/s. As fast as it goes when not given.")
    ] = None,
    limit: Limit = None,
    probe: Annotated[bool, Parameter(negative="--no-probe")] = True,
    timeout: Annotated[float, Parameter(validator=Number(gt=0))] = 10.0,
    yes: bool = False,
    json: bool = False,
) -> ExitCode:
    """Send dead letters again: first one, and when that does not fail again the others, oldest first.

    Each keeps its id, so what has been applied already is not applied again. What failed for a read model goes to that
    one alone. A letter is deleted once the broker has it; a redrive that was interrupted can be run again.

    Parameters
    ----------
    ids
        These letters; or say which with the filters, or --all.
    all
        Every dead letter that there is.
    dry_run
        Tell what would be sent, and send nothing.
    limit
        So many at most, the oldest.
    probe
        Wait for what becomes of the first one. With --no-probe all are sent at once.
    timeout
        Seconds to wait for that.
    yes
        Don't ask.
    json
        One JSON document on stdout.
    """
    selection, pace = chosen(filters, ids, everything=all), _rate(rate)
    async with postgres(_postgres_url()) as engine:
        found = await _found(engine, selection, limit=limit, dry_run=dry_run, json=json)
        missing = _missing(ids, found, json=json)
        if dry_run or not found:
            if not dry_run and json:
                show_json({"redriven": 0, "missing": missing})
            return ExitCode.NO if missing else ExitCode.OK
        confirm(f"Redrive {_letters(len(found))}?", yes=yes)
        async with (
            operator_connection(required(load_ops_settings(), "ops_amqp_url")) as connection,
            AmqpPublisher(connection) as publisher,
        ):
            work = Redrive(engine, publisher, rate=pace, progress=Progress("redriven", len(found)).advance)
            try:
                await (work.probed(found, timeout=timeout) if probe else work.run(found))
            except BaseException:
                note(f"stopped after {work.done.redriven} of {len(found)}; the rest is still there", style="yellow")
                raise
    done = work.done
    show_json(redriven_json(done, missing)) if json else show(redriven_text(done))
    if done.is_complete:
        return ExitCode.NO if missing else ExitCode.OK
    return ExitCode.UNREACHABLE if done.is_unanswered else ExitCode.NO


@app.command
async def drop(
    *ids: Annotated[int, Parameter(validator=ID)],
    filters: Filters = NO_FILTERS,
    all: bool = False,  # noqa: A002
    dry_run: bool = False,
    limit: Limit = None,
    yes: bool = False,
    json: bool = False,
) -> ExitCode:
    """Delete dead letters for good.

    Parameters
    ----------
    ids
        These letters; or say which with the filters, or --all.
    all
        Every dead letter that there is.
    dry_run
        Tell what would be deleted, and delete nothing.
    limit
        So many at most, the oldest.
    yes
        Don't ask.
    json
        One JSON document on stdout.
    """
    selection = chosen(filters, ids, everything=all)
    async with postgres(_postgres_url()) as engine:
        found = await _found(engine, selection, limit=limit, dry_run=dry_run, json=json)
        missing = _missing(ids, found, json=json)
        dropped = 0
        if found and not dry_run:
            confirm(f"Delete {_letters(len(found))} for good?", yes=yes)
            store, progress = DeadLetterStore(engine), Progress("dropped", len(found))
            for start in range(0, len(found), DROP_BATCH):
                batch = found[start : start + DROP_BATCH]
                dropped += await store.remove(batch)
                progress.advance(len(batch))
    if not dry_run:
        show_json({"dropped": dropped, "missing": missing}) if json else show(f"dropped {_letters(dropped)}")
    return ExitCode.NO if missing else ExitCode.OK


def _postgres_url() -> str:
    return required(load_ops_settings(), "postgres_url")


async def _found(
    engine: AsyncEngine, selection: Selection, *, limit: int | None, dry_run: bool, json: bool
) -> list[int]:
    """The ids; with `dry_run` or where a person looks on, what they are is shown."""
    store = DeadLetterStore(engine)
    found = await store.ids(selection, limit=limit)
    if dry_run:
        groups = await store.groups(Selection(ids=found))
        show_json({"dry_run": True, **groups_json(groups)}) if json else show(groups_table(groups))
    elif not found:
        note("no dead letter is like that")
    return found


def _missing(ids: Sequence[int], found: Sequence[int], *, json: bool) -> list[int]:
    missing = sorted(set(ids) - set(found))
    if missing and not json:
        note(f"not there (any more), or left out by a filter: {', '.join(map(str, missing))}", style="yellow")
    return missing


def _rate(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        rate = float(text.removesuffix("/s"))
    except ValueError:
        rate = 0.0
    if not 0 < rate < float("inf"):
        raise UsageError(f"--rate {text}: a rate looks like 50/s")
    return rate


def _letters(number: int) -> str:
    return "1 dead letter" if number == 1 else f"{number} dead letters"
