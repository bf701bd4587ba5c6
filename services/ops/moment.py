"""A moment as an operator writes it."""

import re
from datetime import UTC, datetime, timedelta

from services.ops.errors import UsageError

_AGO = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment(text: str, now: datetime) -> datetime:
    """`90s`, `15m`, `2h` or `7d` before `now`, or an ISO 8601 date or time, which is UTC unless it says otherwise.

    Raises UsageError.
    """
    try:
        if (ago := _AGO.fullmatch(text)) is not None:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        time = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise UsageError(f"{text!r} is no moment: write 2h, 7d, 2026-11-22 or 2026-11-22T10:30") from None
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
