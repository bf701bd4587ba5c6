"""A run as a table and some figures, and what of it must not be."""

from tests.hostile.good_traffic import Phase, percentile
from tests.hostile.run import Fate, Run

DELAY_LIMIT_SECONDS = 1.0


def row(fate: Fate) -> str:
    case = fate.case
    if fate.skipped:
        met = "- needs a stack of its own"
    else:
        met = f"MISSED: {fate.missed}" if fate.missed is not None else fate.met
    return f"| {case.number} | {case.name} | {case.made} | {met} |"


def figures(run: Run) -> list[str]:
    met = sum(fate.missed is None and not fate.skipped for fate in run.fates.values())
    lines = [
        f"fates met: {met}/{len(run.fates)}",
        f"reconnects of the services: {len(run.reconnects)} by the broker's list,"
        f" {run.connects_and_losses:g} by their own count",
        f"dead letters: {run.letters}, missing {run.letters_missing.total()}, too many {run.letters_too_many.total()}",
        f"replies of others passed over by the good client: {run.good.strangers}",
        "| good messages | count | p50 s | p99 s | max s | the longest beside case |",
        "|---|---|---|---|---|---|",
    ]
    for kind in ("command", "query"):
        for phase in Phase:
            sent = run.good.of(phase, kind)
            p50, p99, longest = (percentile(sent, share) for share in (0.5, 0.99, 1.0))
            beside = next((each.beside for each in sent if each.done is not None and each.seconds == longest), 0)
            lines.append(f"| {kind}, {phase} | {len(sent)} | {p50:.3f} | {p99:.3f} | {longest:.3f} | {beside or '-'} |")
    return lines


def violations(run: Run, *, delay_limit: float = DELAY_LIMIT_SECONDS) -> list[str]:
    """What must not be; a skipped case is none. `delay_limit`: seconds that a good message may wait beside 1-61."""
    found = [f"case {fate.case.number}: {fate.missed}" for fate in run.fates.values() if fate.missed is not None]
    if run.reconnects or run.connects_and_losses:
        found.append(f"services reconnected: {run.reconnects or run.connects_and_losses}")
    found += [f"no dead letter {key} {reason}" for key, reason in run.letters_missing.elements()]
    found += [f"a dead letter too many: {key} {reason}" for key, reason in run.letters_too_many.elements()]
    failed = run.good.failed(Phase.ALONE, Phase.HOSTILE)
    failed += [each for each in run.good.failed(Phase.BROKEN) if each.kind == "command"]
    if failed:
        found.append(f"{len(failed)} good messages without a good outcome, such as {failed[0]}")
    for kind in ("command", "query"):
        longest = percentile(run.good.of(Phase.HOSTILE, kind), 1.0)
        if longest > delay_limit:
            found.append(f"a good {kind} waited {longest:.2f} s, more than {delay_limit:g} s")
    return found
