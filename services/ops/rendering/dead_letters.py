"""Dead letters for a person and for a program."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from services.ops.dead_letters.fate import Fate, FateOf
from services.ops.dead_letters.letter import DeadLetter, Group
from services.ops.dead_letters.masking import masked, shown_body
from services.ops.dead_letters.redrive import Redriven
from services.ops.rendering.printable import printable

MAX_TOLD = 10


def groups_table(groups: Sequence[Group]) -> RenderableType:
    if not groups:
        return Text("no dead letters", style="dim")
    table = _table("reason", "type", "count", "attempts", "oldest", "newest")
    for group in groups:
        table.add_row(
            Text(printable(group.reason), style="yellow"),
            Text(_name(group.type)),
            str(group.count),
            str(group.attempts),
            _time(group.oldest),
            _time(group.newest),
        )
    return Lines(table, Text(f"{sum(group.count for group in groups)} in all", style="dim"))


def groups_json(groups: Sequence[Group]) -> dict[str, Any]:
    times = ("oldest", "newest")
    rows = [asdict(group) | {name: getattr(group, name).isoformat() for name in times} for group in groups]
    return {"total": sum(group.count for group in groups), "groups": rows}


def letters_table(letters: Sequence[DeadLetter]) -> RenderableType:
    if not letters:
        return Text("no dead letters", style="dim")
    table = _table("id", "reason", "type", "queue", "key", "attempts", "first seen", "last seen", "detail")
    for letter in letters:
        table.add_row(
            str(letter.id),
            Text(printable(letter.reason), style="yellow"),
            Text(_name(letter.type)),
            Text(printable(letter.queue)),
            Text(printable(letter.routing_key)),
            str(letter.attempts),
            _time(letter.first_seen),
            _time(letter.last_seen),
            Text(printable(letter.detail), style="dim"),
        )
    return table


def letters_json(letters: Sequence[DeadLetter]) -> dict[str, Any]:
    return {"letters": [_head(letter) for letter in letters]}


def letter_json(letter: DeadLetter, *, full: bool) -> dict[str, Any]:
    """Without `full` the values of properties, headers and body are masked."""
    kept = dict if full else masked
    return {
        **_head(letter),
        "properties": kept(letter.properties),
        "headers": kept(letter.headers),
        "body": shown_body(letter.body, full=full),
    }


def letter_text(letter: DeadLetter, *, full: bool) -> RenderableType:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column()
    for name, value in letter_json(letter, full=full).items():
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        table.add_row(name.replace("_", " "), Text(printable(shown), style="yellow" if name == "reason" else ""))
    return table if full else Lines(table, Text("values are masked; --full shows them", style="dim"))


def redriven_text(done: Redriven) -> RenderableType:
    lines = [Text(f"redriven {done.redriven}", style="bold green" if done.is_complete else "bold yellow")]
    if done.probe is not None:
        lines.append(Text(f"  first one: {_fate(done.probe)}", style="" if done.probe.is_good else "red"))
    if done.came_back:
        lines.append(Text(f"  {done.came_back} failed again at once", style="red"))
    for id_, why in list(done.failed.items())[:MAX_TOLD]:
        lines.append(Text(f"  not redriven: {id_}: {printable(why)}", style="red"))
    if len(done.failed) > MAX_TOLD:
        lines.append(Text(f"  not redriven: {len(done.failed) - MAX_TOLD} more", style="red"))
    if done.left:
        lines.append(Text(f"  not tried: {done.left}", style="yellow"))
    return Lines(*lines)


def redriven_json(done: Redriven, missing: Sequence[int]) -> dict[str, Any]:
    probe = None if done.probe is None else {"fate": done.probe.fate, **_told(done.probe)}
    return {
        "redriven": done.redriven,
        "came_back": done.came_back,
        "failed": [{"id": id_, "why": why} for id_, why in done.failed.items()],
        "left": done.left,
        "missing": list(missing),
        "probe": probe,
    }


def _fate(probe: FateOf) -> str:
    match probe.fate:
        case Fate.OUTCOME:
            return printable(" ".join(str(value) for value in _told(probe).values()))
        case Fate.QUIET:
            return "it did not come back"
        case Fate.CAME_BACK:
            return printable("it failed again, as dead letter {id}: {reason}: {detail}".format(**probe.detail))
        case Fate.UNKNOWN:
            return "no outcome in time; is the command service running? (cqrs status)"


def _told(probe: FateOf) -> dict[str, Any]:
    """Of an outcome its status and code or version."""
    if probe.fate is not Fate.OUTCOME:
        return dict(probe.detail)
    told = {name: probe.detail[name] for name in ("status", "aggregate_id", "version") if name in probe.detail}
    error = probe.detail.get("error")
    return {**told, "code": error.get("code")} if isinstance(error, dict) else told


def _head(letter: DeadLetter) -> dict[str, Any]:
    head = {name: value for name, value in asdict(letter).items() if name not in ("properties", "headers", "body")}
    return head | {name: head[name].isoformat() for name in ("first_seen", "last_seen")}


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in columns:
        table.add_column(name, justify="right" if name in ("count", "id", "attempts") else "left", no_wrap=True)
    return table


def _name(type_: str | None) -> str:
    return printable(type_) if type_ else "–"


def _time(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")
