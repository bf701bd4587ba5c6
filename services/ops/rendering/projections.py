"""Read models and the work on them, for a person."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.ops.rendering.printable import printable
from shared.contracts.control.projections import Difference, Projection, ProjectionJob, ProjectionList

NUMBERS = ("generation", "position", "lag", "seconds", "parked")
MAX_SHOWN = 50


def projections_table(found: ProjectionList) -> RenderableType:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in ("read model", "state", "generation", "position", "lag", "seconds", "parked", "work"):
        table.add_column(name, justify="right" if name in NUMBERS else "left", no_wrap=True)
    for each in found.projections:
        table.add_row(*_row(each))
    head = "the event log does not answer" if found.head is None else f"head of the event log: {found.head}"
    return Group(table, Text(head, style="dim"))


def _row(each: Projection) -> tuple[Text, ...]:
    others = [number for number in each.generations if number != each.generation]
    generation = f"{each.generation}" + (f" ({', '.join(map(str, others))})" if others else "")
    return (
        Text(printable(each.model)),
        Text("paused", style="yellow") if each.paused else Text("live", style="green"),
        Text(generation),
        _number(each.position),
        _number(each.lag_events),
        Text("–" if each.lag_seconds is None else f"{each.lag_seconds:.1f}"),
        Text(str(each.parked), style="red" if each.parked else ""),
        Text("" if each.job is None else _work(each.job), style="dim"),
    )


def _number(value: int | None) -> Text:
    return Text("–" if value is None else str(value))


def _work(job: ProjectionJob) -> str:
    if job.state != "running":
        return f"{job.kind} {job.state}"
    share = f" {100 * job.done // job.total} %" if job.total and job.phase in ("filling", "verifying") else ""
    trouble = f", {printable(job.error)}" if job.error else ""
    return f"{job.kind}: {job.phase}{share}{trouble}"


def ended_text(model: str, job: ProjectionJob) -> RenderableType:
    """What became of it."""
    seconds = ((job.finished_at or job.at) - job.started_at).total_seconds()
    if job.state != "done":
        why = f": {printable(job.error)}" if job.error else ""
        return Group(Text(f"{job.kind} of {model} {job.state}{why}", style="red"), *_findings(job))
    if job.kind == "verify":
        return Group(*_findings(job))
    return Group(
        Text(f"{model}: generation {job.target} is live, after {seconds:.0f} s", style="bold green"),
        Text(f"back: cqrs projection rollback {model}; when it is not needed: cqrs projection prune {model}", "dim"),
    )


def _findings(job: ProjectionJob) -> list[RenderableType]:
    report = job.report
    if report is None:
        return []
    compared = f"compared {report.documents} documents and {report.details} details with {report.events} events"
    if not report.differences:
        return [Text(f"{compared}: all as the log says", style="bold green"), *_parked(report.parked)]
    found = f"{report.differences} differences, {report.repaired} of them repaired"
    lines: list[RenderableType] = [Text(f"{compared}: {found}", style="bold yellow")]
    lines += [_difference(each) for each in report.named[:MAX_SHOWN]]
    if report.differences > MAX_SHOWN:
        lines.append(Text(f"  … and {report.differences - MAX_SHOWN} more", style="dim"))
    return [*lines, *_parked(report.parked)]


def _parked(number: int) -> list[RenderableType]:
    return [Text(f"{number} parked: cqrs parked list", style="yellow")] if number else []


def _difference(each: Difference) -> Text:
    versions = f" (version {each.found_version}, not {each.expected_version})" if each.kind == "behind" else ""
    place = "" if each.place == "documents" else " (detail)"
    mended = ", repaired" if each.repaired else ""
    return Text(f"  {each.kind}: {printable(each.id)}{place}{versions}{mended}", style="" if each.repaired else "red")
