"""The state of the system, for a person and for a program."""

from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.ops.status.queues import QueueState
from services.ops.status.report import StatusReport, Unavailable


def status_text(report: StatusReport) -> RenderableType:
    troubles = report.troubles
    head = Text("degraded", style="bold red") if troubles else Text("ok", style="bold green")
    return Group(
        head, *(Text(f"  {trouble}", style="red") for trouble in troubles), _parts(report), Text(), _queues(report)
    )


def status_json(report: StatusReport) -> dict[str, Any]:
    """One document; a part that could not be looked at is `{"unavailable": why}`."""
    troubles = report.troubles
    return {
        "status": "degraded" if troubles else "ok",
        "troubles": troubles,
        "services": {name: asdict(service) for name, service in report.services.items()},
        "queues": _document(report.queues),
        "write_side": _document(report.write_side),
        "parked": _document(report.parked),
    }


def _document(part: Any) -> Any:
    if isinstance(part, Unavailable):
        return {"unavailable": part.why}
    if isinstance(part, list):
        return [asdict(item) for item in part]
    return part if isinstance(part, dict) else asdict(part)


def _parts(report: StatusReport) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column()
    for name, service in report.services.items():
        table.add_row(f"{name} service", _mark("ready" if service.ready else "not ready", good=service.ready))
    if not isinstance(report.write_side, Unavailable):
        waiting, dead = report.write_side.outbox, report.write_side.dead_letters
        table.add_row("outbox", str(waiting))
        table.add_row("dead letters", Text(str(dead), style="yellow" if dead else ""))
    if not isinstance(report.parked, Unavailable):
        parked = sum(report.parked.values())
        table.add_row("parked", _mark(str(parked), good=not parked))
    return table


def _queues(report: StatusReport) -> RenderableType:
    if isinstance(report.queues, Unavailable):
        return Text()
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name, justify in (("queue", "left"), ("ready", "right"), ("in hand", "right"), ("consumers", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for queue in report.queues:
        table.add_row(*_row(queue))
    return table


def _row(queue: QueueState) -> tuple[Text, ...]:
    return (
        Text(queue.name),
        Text(str(queue.ready), style="yellow" if queue.ready else ""),
        Text(str(queue.unacknowledged)),
        Text(str(queue.consumers), style="" if queue.consumers else "red"),
    )


def _mark(text: str, *, good: bool) -> Text:
    return Text(text, style="green" if good else "bold red")
