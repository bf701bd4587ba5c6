from datetime import UTC, datetime, timedelta, timezone

import pytest

from services.ops.errors import UsageError
from services.ops.moment import moment

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("15m", NOW - timedelta(minutes=15)),
        ("2h", NOW - timedelta(hours=2)),
        ("7d", NOW - timedelta(days=7)),
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC)),
        ("2026-11-20T10:30", datetime(2026, 11, 20, 10, 30, tzinfo=UTC)),
        ("2026-11-20T10:30+02:00", datetime(2026, 11, 20, 10, 30, tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_a_moment_is_so_long_ago_or_a_time(text: str, expected: datetime) -> None:
    assert moment(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "soon", "2x", "-2h", "999999d", "2026-13-01"])
def test_anything_else_is_a_wrong_call(text: str) -> None:
    with pytest.raises(UsageError, match="2h"):
        moment(text, NOW)
