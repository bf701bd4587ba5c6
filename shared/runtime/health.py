"""Whether a service can do its work right now, check by check."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

ReadinessCheck: TypeAlias = Callable[[], "str | None"]
"""None when all is well, else the trouble in a few words. Answers from memory: it is called on the event loop."""


class Health:
    """The readiness checks of one service, by name; and notes of what is out of the ordinary without being a trouble,
    because somebody wanted it so.
    """

    def __init__(self) -> None:
        self._checks: dict[str, ReadinessCheck] = {}
        self._notes: dict[str, ReadinessCheck] = {}

    def add(self, name: str, check: ReadinessCheck) -> None:
        """Raises ValueError when there is one of this name already."""
        if name in self._checks:
            raise ValueError(f"there is a readiness check {name!r} already")
        self._checks[name] = check

    def add_note(self, name: str, note: ReadinessCheck) -> None:
        """Raises ValueError when there is one of this name already."""
        if name in self._notes:
            raise ValueError(f"there is a note {name!r} already")
        self._notes[name] = note

    def notes(self) -> Mapping[str, str]:
        """Those that have something to say."""
        return {name: text for name, note in self._notes.items() if (text := _ask(note)) is not None}

    def report(self) -> Mapping[str, str | None]:
        """What each check says. One that raises is in trouble itself."""
        return {name: _ask(check) for name, check in self._checks.items()}

    @property
    def ready(self) -> bool:
        return all(trouble is None for trouble in self.report().values())


def _ask(check: ReadinessCheck) -> str | None:
    try:
        return check()
    except Exception as error:
        return f"the check itself failed: {type(error).__name__}"
