"""Parked aggregates for a person and for a program."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.ops.parked.entry import Parked
from services.ops.parked.heal import Healed
from services.ops.rendering.printable import printable


def parked_table(entries: Sequence[Parked]) -> RenderableType:
    if not entries:
        return Text("nothing is parked", style="dim")
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in ("parked", "version", "reason", "since", "attempts", "detail"):
        table.add_column(name, justify="right" if name in ("version", "attempts") else "left", no_wrap=True)
    for entry in entries:
        table.add_row(
            Text(printable(entry.name)),
            str(entry.version),
            Text(printable(entry.reason), style="yellow"),
            f"{entry.since:%Y-%m-%d %H:%M:%S}",
            str(entry.attempts),
            Text(printable(entry.detail), style="dim"),
        )
    return table


def parked_text(entry: Parked) -> RenderableType:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column()
    for name, value in parked_json(entry).items():
        table.add_row(name.replace("_", " "), Text(printable(str(value)), style="yellow" if name == "reason" else ""))
    return Group(table, Text(f"after the fix: cqrs parked heal {printable(entry.name)}", style="dim"))


def parked_json(entry: Parked) -> dict[str, Any]:
    return {"name": entry.name, **asdict(entry), "since": entry.since.isoformat()}


def healed_text(results: Sequence[Healed]) -> RenderableType:
    left = [result for result in results if result.reason]
    head = Text(f"healed {len(results) - len(left)} of {len(results)}", style="bold yellow" if left else "bold green")
    return Group(
        head,
        *(
            Text(f"  still parked: {printable(f'{each.name}: {each.reason}: {each.why_not}')}", style="red")
            for each in left
        ),
    )


def healed_json(results: Sequence[Healed], missing: Sequence[str]) -> dict[str, Any]:
    return {
        "healed": [result.name for result in results if not result.reason],
        "still_parked": [asdict(result) for result in results if result.reason],
        "missing": list(missing),
    }
