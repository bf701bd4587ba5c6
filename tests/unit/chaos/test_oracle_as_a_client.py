"""What clients are told of histories and statistics, by an asker whose answers are written by hand."""

from typing import Any

from tests.chaos.oracle import signup_stats, user_history
from tests.support.ask import Asker
from tests.unit.chaos.states import entries, stored

DAYS = [
    {"bucket": "2026-01-31", "signups": 1, "deactivations": 0, "reactivations": 0, "active_total": 1},
    {"bucket": "2026-02-01", "signups": 0, "deactivations": 0, "reactivations": 0, "active_total": 1},
    {"bucket": "2026-02-02", "signups": 0, "deactivations": 0, "reactivations": 0, "active_total": 1},
    {"bucket": "2026-02-03", "signups": 0, "deactivations": 1, "reactivations": 0, "active_total": 0},
]
MONTHS = [
    {"bucket": "2026-01-01", "signups": 1, "deactivations": 0, "reactivations": 0, "active_total": 1},
    {"bucket": "2026-02-01", "signups": 0, "deactivations": 1, "reactivations": 0, "active_total": 0},
]


class ScriptedAsker(Asker):
    """`answers` by bucket for statistics, by cursor for histories; None is silence."""

    def __init__(self, answers: dict[str, Any]) -> None:
        super().__init__("amqp://nobody")
        self._answers = answers

    async def ask(self, query: str, /, **body: Any) -> dict[str, Any]:
        answer = self._answers[body.get("bucket") or body.get("cursor", "")]
        if answer is None:
            raise TimeoutError
        return dict(answer)


def stats(days: list[dict[str, Any]], months: list[dict[str, Any]]) -> ScriptedAsker:
    return ScriptedAsker(
        {"day": {"status": "ok", "data": {"items": days}}, "month": {"status": "ok", "data": {"items": months}}}
    )


def pages(*, second: Any = ()) -> ScriptedAsker:
    """Ann's history, newest first, two entries and then one; `second` takes the last page's place."""
    items = [
        {key: value for key, value in entry.items() if key != "_id"}
        | {"version": version, "time": entry["time"].isoformat()}
        for (_, version), entry in sorted(entries().items(), reverse=True)
    ]
    first = {"status": "ok", "data": {"items": items[:2], "next_cursor": "on"}}
    last = {"status": "ok", "data": {"items": items[2:], "next_cursor": None}}
    return ScriptedAsker({"": first, "on": last if second == () else second})


async def test_statistics_that_are_right_are_let_pass() -> None:
    assert await signup_stats.wrongly_told(stats(DAYS, MONTHS), stored().events) == []


async def test_statistics_that_count_one_twice_or_leave_out_a_day_are_named() -> None:
    twice = [MONTHS[0] | {"signups": 2}, MONTHS[1]]

    wrong = await signup_stats.wrongly_told(stats(DAYS[:-1], twice), stored().events)

    assert [each.partition(":")[0] for each in wrong] == ["day", "month"]


async def test_statistics_that_nobody_answers_are_named() -> None:
    silent = ScriptedAsker({"day": None, "month": {"status": "error"}})

    assert len(await signup_stats.wrongly_told(silent, stored().events)) == 2


async def test_a_history_that_is_right_is_let_pass() -> None:
    assert await user_history.wrongly_told(pages(), stored().events, seed=1) == []


async def test_a_history_that_ends_early_or_fails_is_named() -> None:
    nothing_more = {"status": "ok", "data": {"items": [], "next_cursor": None}}
    failing = {"status": "error", "error": {"code": "internal"}}

    for second in (nothing_more, failing, None):
        assert await user_history.wrongly_told(pages(second=second), stored().events, seed=1) == ["ann"]
