"""Counters of days, put together to buckets of days or months: pure."""

from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import Any

from services.query.read_model import Document
from shared.contracts.queries.get_signup_stats import BucketUnit, bucket_number, bucket_start

COUNTERS = ("signups", "deactivations", "reactivations")


def buckets(days: Iterable[Document], unit: BucketUnit, first: date, last: date) -> list[dict[str, Any]]:
    """One for each day or month from that of `first` to that of `last`, both included: what was counted in it, and how
    many were active at its end. `days` must hold all days before `last`, in any order.
    """
    counted: dict[int, Counter[str]] = {}
    start, end = bucket_number(first, unit), bucket_number(last, unit)
    active = 0
    for day in days:
        number = bucket_number(day["_id"].date(), unit)
        if number < start:
            active += day.get("active", 0)
        else:
            counted.setdefault(number, Counter()).update({name: day.get(name, 0) for name in (*COUNTERS, "active")})
    shown: list[dict[str, Any]] = []
    for number in range(start, end + 1):
        sums = counted.get(number, Counter())
        active += sums["active"]
        counters = {name: sums[name] for name in COUNTERS}
        shown.append({"bucket": bucket_start(number, unit), **counters, "active_total": active})
    return shown
