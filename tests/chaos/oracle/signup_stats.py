"""`signup_stats`: the counters of each day, and what clients are told of days and months, counted anew from the log."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, timedelta
from typing import Any

from tests.chaos.oracle.milliseconds import milliseconds
from tests.chaos.oracle.read_models import Documents
from tests.support.ask import Asker

COUNTED = {"UserCreated": "signups", "UserDeactivated": "deactivations", "UserReactivated": "reactivations"}
ACTIVE = {"UserCreated": 1, "UserDeactivated": -1, "UserReactivated": 1}
Log = Mapping[str, Sequence[Mapping[str, Any]]]


def counted_days(log: Log) -> dict[date, Counter[str]]:
    """By day in UTC: `signups`, `deactivations`, `reactivations`, `active` (how many more), `updated_at` (ms)."""
    days: dict[date, Counter[str]] = {}
    for event in (event for events in log.values() for event in events if event["type"] in COUNTED):
        day = days.setdefault(event["time"].astimezone(UTC).date(), Counter())
        day[COUNTED[event["type"]]] += 1
        day["active"] += ACTIVE[event["type"]]
        day["updated_at"] = max(day["updated_at"], milliseconds(event["time"]))
    return days


def wrong_days(counters: Documents, log: Log) -> Iterator[str]:
    """`counters` by midnight, as MongoDB has them."""
    found = {key.date(): document for key, document in counters.items()}
    expected = counted_days(log)
    for day in sorted(expected.keys() | found.keys()):
        document = found.get(day, {})
        shown = {name: document.get(name, 0) for name in (*COUNTED.values(), "active")}
        if "updated_at" in document:
            shown["updated_at"] = milliseconds(document["updated_at"])
        counted = expected.get(day, Counter())
        if shown != {name: counted[name] for name in shown} or not document:
            yield f"{day}: {shown} for {dict(counted)}"


async def wrongly_told(asker: Asker, log: Log) -> list[str]:
    """Buckets, from the first day of the log to its last, of which a client is told something else."""
    days = counted_days(log)
    if not days:
        return []
    wrong = []
    for unit in ("day", "month"):
        period: dict[str, Any] = {"from": str(min(days)), "to": str(max(days))}
        try:
            answer = await asker.ask("GetSignupStats", bucket=unit, **period)
        except TimeoutError:
            answer = {"status": "no answer"}
        told = answer["data"]["items"] if answer["status"] == "ok" else [answer]
        if told != buckets(days, unit):
            wrong.append(f"{unit}: {told} for {buckets(days, unit)}")
    return wrong


def buckets(days: Mapping[date, Counter[str]], unit: str) -> list[dict[str, Any]]:
    """From the first day to the last: what was counted in each day or month, and how many were active at its end."""
    shown: dict[date, dict[str, Any]] = {}
    active = 0
    day, last = min(days), max(days)
    while day <= last:
        counted = days.get(day, Counter())
        active += counted["active"]
        start = day if unit == "day" else day.replace(day=1)
        bucket = shown.setdefault(start, {"bucket": str(start), **dict.fromkeys(COUNTED.values(), 0)})
        for name in COUNTED.values():
            bucket[name] += counted[name]
        bucket["active_total"] = active
        day += timedelta(days=1)
    return list(shown.values())
