"""How long a run will take: said at its start, and put right by what its first rounds took. Pure."""

from collections.abc import Callable, Mapping, Sequence

from tests.benchmarks.scale import Scale

OURS, PEERS = 3_000.0, 110.0
"""Commands a second of a drain, about, on two cores with nothing else to do; the servers' part is in it."""
LOAD, PRELOAD, REBUILD, READ = 15_000.0, 4_000.0, 12_000.0, 60_000.0
"""Commands put into queues, users put into stores, events read anew, users read into caches: a second."""
START = 5.0
"""Seconds to empty stores and queues and to start both sides."""
LOADS, WARM_UP = 4, 4.0
"""Steady loads in a round, and what each takes beside its measurement."""
OURS_SERIAL, PEERS_SERIAL = 0.0015, 0.004
OURS_PARALLEL, PEERS_PARALLEL = 0.0006, 0.003
"""Seconds a question."""
ASKED_PEERS = 3


def _drain(scale: Scale, _round: int) -> float:
    ours = START + 2 * (scale.commands / OURS + scale.commands / LOAD + START)
    naive = START + 2 * (scale.peer_commands / PEERS + START)
    return ours + naive + 3 * (2 * START + scale.peer_commands / PEERS)


def _latency(scale: Scale, _round: int) -> float:
    return 2 * START + LOADS * (WARM_UP + scale.load_seconds)


def _cpu(scale: Scale, _round: int) -> float:
    return START + (LOADS - 1) * (WARM_UP + scale.load_seconds)


def _rpc(scale: Scale, _round: int) -> float:
    ours_and_echo = 2 * (2 * START + scale.serial * OURS_SERIAL + scale.parallel * OURS_PARALLEL)
    return ours_and_echo + ASKED_PEERS * (
        START + scale.peer_serial * PEERS_SERIAL + scale.peer_parallel * PEERS_PARALLEL
    )


def _rebuild(scale: Scale, round_: int) -> float:
    if round_ >= scale.rebuild_rounds:
        return 0.0
    return 3 * START + scale.large / PRELOAD + scale.large / REBUILD


def _memory(scale: Scale, _round: int) -> float:
    commands = scale.commands + scale.large
    return 4 * START + commands / OURS + commands / LOAD


def _growth(scale: Scale, round_: int) -> float:
    preload = 2 * scale.few_users + (scale.many_users if round_ == 0 else 0)
    read = 2 * (scale.few_users + scale.many_users) / READ
    return 16 * START + preload / PRELOAD + read + 8 * (scale.commands / OURS + scale.commands / LOAD)


SECONDS: Mapping[str, Callable[[Scale, int], float]] = {
    "drain": _drain,
    "latency": _latency,
    "cpu": _cpu,
    "rpc": _rpc,
    "rebuild": _rebuild,
    "memory": _memory,
    "growth": _growth,
}


def expected_seconds(sections: Sequence[str], scale: Scale, rounds: range) -> float:
    """Of these sections in these rounds (counted from 0). `cpu` is measured by `latency` where that is asked for."""
    measured = [name for name in sections if name != "cpu" or "latency" not in sections]
    return sum(SECONDS[name](scale, number) for number in rounds for name in measured)


def left_seconds(sections: Sequence[str], scale: Scale, done: int, rounds: int, took: float) -> float:
    """After `done` of the rounds took so many seconds."""
    expected = expected_seconds(sections, scale, range(done))
    pace = took / expected if expected else 1.0
    return pace * expected_seconds(sections, scale, range(done, rounds))


def in_words(seconds: float) -> str:
    minutes = round(seconds / 60)
    return "about a minute" if minutes <= 1 else f"about {minutes} minutes"
