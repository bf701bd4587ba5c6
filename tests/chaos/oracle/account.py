"""What a user's account must look like by the log, ready to compare."""

from collections.abc import Sequence
from typing import Any

from tests.support.oracle import comparable, fold


def account(events: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """None for no events, and for such as can't follow each other: then nothing equals it."""
    try:
        return comparable(fold(events)) if events else None
    except (AssertionError, KeyError):
        return None
