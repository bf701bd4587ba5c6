"""One process of the stack, as data."""

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Part:
    """`not_ready` gives None once the part serves, and the reason while it doesn't yet.

    `ports` maps each port to its purpose. `after_start` runs once the part is ready; repeated, it must be harmless.
    """

    name: str
    title: str
    argv: list[str]
    env: Mapping[str, str]
    ports: Mapping[int, str]
    not_ready: Callable[[], str | None]
    stop_signal: signal.Signals = signal.SIGTERM
    start_timeout: float = 60.0
    after_start: Callable[[], None] = field(default=_nothing)
