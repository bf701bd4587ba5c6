"""The README's part on speed, written from `results.json`, so that no figure there is a wish. Pure but for `put`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.figures import FIGURES, Figure, shown
from tests.benchmarks.percentiles import spread

BEGIN, END = "<!-- written by make bench KEEP=1 -->\n", "<!-- end of what make bench wrote -->\n"
PICTURE = "tests/benchmarks/results/results.png"
ABSOLUTE: Sequence[tuple[str, Sequence[tuple[str, str]]]] = (
    (
        "drain of creates, commands/s",
        [(peer, f"drain_creates.{peer}.rate") for peer in ("ours", "naive", "faststream", "celery", "taskiq")],
    ),
    ("drain of updates, commands/s", [(peer, f"drain_updates.{peer}.rate") for peer in ("ours", "naive")]),
    (
        "`GetUserById` one by one, p50 in ms",
        [(peer, f"rpc.{peer}.p50_ms") for peer in ("ours", "echo", "faststream", "celery", "nameko")],
    ),
    (
        "`GetUserById` 64 in flight, answers/s",
        [(peer, f"rpc.{peer}.rate") for peer in ("ours", "echo", "faststream", "celery", "nameko")],
    ),
    (
        "publish → visible, p50 in ms",
        [(f"ours at {rate:,}/s", f"visible.ours.{rate}.p50_ms") for rate in (200, 1000, 2000)]
        + [("naive at 100/s", "visible.naive.100.p50_ms")],
    ),
    (
        "publish → visible, p99 in ms",
        [(f"ours at {rate:,}/s", f"visible.ours.{rate}.p99_ms") for rate in (200, 1000, 2000)]
        + [("naive at 100/s", "visible.naive.100.p99_ms")],
    ),
    (
        "mixed drain, commands/s",
        [("with 10,000 users", "growth.few.rate"), ("with 1,000,000", "growth.many.rate")],
    ),
    (
        "resident memory after so many commands, MB",
        [
            (f"{service} after {size}:", f"memory.{name}.{service}_mb")
            for service in ("command", "query")
            for size, name in (("20,000", "small"), ("200,000", "large"))
        ],
    ),
    ("rebuild of `users`, events/s", [("ours", "rebuild.rate")]),
)


def section(results: Mapping[str, Any]) -> str:
    """Markdown: the figures beside their targets, what lies behind them, the plot, machine and command."""
    machine = results["machine"]
    rows = [_row(figure, results["figures"][figure.name]) for figure in FIGURES if figure.name in results["figures"]]
    absolute = [f"| {what} | {', '.join(values)} |" for what, names in ABSOLUTE if (values := _medians(results, names))]
    if grown := _grown(results):
        absolute.append(f"| more after 200,000 than after 20,000 in the same round, MB (10 are allowed) | {grown} |")
    notes = [f"- {note}" for note in dict.fromkeys(results["notes"])]
    return "\n".join(
        [
            f"`{results['command']}` of {results['time'][:10]} at {results['revision']}: "
            f"{machine['cores']} cores ({machine['cpu']}), {machine['memory_gb']} GB, Python {machine['python']}, "
            "RabbitMQ, PostgreSQL, mongod, services and load on that one machine, fsync on, every promise switched on. "
            "Medians of the rounds, least and most in parentheses; a ratio compares what was measured in one round.",
            "",
            "| figure | measured | at least | aim |",
            "|---|---|---|---|",
            *rows,
            "",
            "| medians | |",
            "|---|---|",
            *absolute,
            "",
            *([*notes, ""] if notes else []),
            f"![The same as bars]({PICTURE})",
            "",
        ]
    )


def with_section(readme: str, text: str) -> str:
    """The README with this between the two marks. Raises ValueError when it has no marks."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"no place for the figures: {BEGIN.strip()} and {END.strip()}")
    return before + begin + text + end + after


def put(readme: Path, results: Mapping[str, Any]) -> None:
    readme.write_text(with_section(readme.read_text(), section(results)))


def _row(figure: Figure, value: Mapping[str, float]) -> str:
    sign = "≤ " if figure.less_is_better else "≥ "
    missed = "" if figure.holds(value["median"], figure.at_least) else ", missed"
    spread = f"{shown(value['least'])}–{shown(value['most'])}"
    return (
        f"| {figure.meaning} | **{shown(value['median'])}** ({spread}){missed} "
        f"| {sign}{figure.at_least:g} | {sign}{figure.aim:g} |"
    )


def _medians(results: Mapping[str, Any], names: Sequence[tuple[str, str]]) -> list[str]:
    found = []
    for label, name in names:
        samples = results["samples"].get(name, ())
        if values := [value for value in samples if value is not None]:
            middle = median(values)
            fewer = "" if len(values) == len(samples) else f" ({len(values)} of {len(samples)} counted)"
            found.append((f"{label} {middle:,.0f}" if middle >= 1000 else f"{label} {shown(middle)}") + fewer)
    return found


def _grown(results: Mapping[str, Any]) -> str:
    """By how much each service's memory grows with the backlog: the difference in one round, least and most."""
    told = []
    for service in ("command", "query"):
        samples = (results["samples"].get(f"memory.{size}.{service}_mb", ()) for size in ("small", "large"))
        if differences := [large - small for small, large in zip(*samples, strict=False)]:
            value = spread(differences)
            told.append(f"{service} {shown(value.median)} ({shown(value.least)}–{shown(value.most)})")
    return ", ".join(told)
