"""What was seen from outside, as it happened: a line of JSON each, and the sums that are needed while it runs."""

import json
import time
from collections import Counter, defaultdict, deque
from pathlib import Path
from types import TracebackType
from typing import Any, Self

RECENT = 200


class History:
    """`sent`, `confirmed`, `outcome` and `answer` of the clients; `fault`, `healed` and `recovered` of the schedule."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sent: Counter[str] = Counter()
        self.confirmed: set[str] = set()
        self.outcomes: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.answered_after: deque[tuple[str, int]] = deque(maxlen=RECENT)
        """(user, version) of the latest accepted commands: what readers ask for."""
        self.answers: Counter[str] = Counter()
        self.went_back: list[str] = []
        """Users of whom a reader saw an older version than one seen before."""
        self.told_too_early: list[str] = []
        """Commands whose outcome a client had before PostgreSQL did."""
        self._told: list[str] = []
        self._confirmed_at: dict[str, float] = {}
        self.last_served = 0.0
        """When the newest command with an outcome was confirmed (monotonic seconds)."""

    def __enter__(self) -> Self:
        self._file = self.path.open("w")
        self._began = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def note(self, what: str, **facts: Any) -> None:
        at = round(time.monotonic() - self._began, 3)
        self._file.write(json.dumps({"t": at, "what": what, **facts}) + "\n")

    def is_sent(self, message_id: str, kind: str, key: str) -> None:
        self.sent[message_id] += 1
        self.note("sent", id=message_id, type=kind, user=key)

    def is_confirmed(self, message_id: str) -> None:
        self.confirmed.add(message_id)
        self._confirmed_at[message_id] = time.monotonic()
        self.note("confirmed", id=message_id)

    def has_outcome(self, outcome: dict[str, Any]) -> None:
        command_id = outcome["command_id"]
        self.outcomes[command_id].append(outcome)
        self._told.append(command_id)
        code = outcome.get("error", {}).get("code")
        self.note("outcome", id=command_id, status=outcome["status"], version=outcome.get("version"), code=code)
        if outcome["status"] == "accepted":
            self.answered_after.append((outcome["aggregate_id"], outcome["version"]))
        self.last_served = max(self.last_served, self._confirmed_at.get(command_id, 0.0))

    def take_told(self) -> list[str]:
        """Commands of which clients heard since this was asked last."""
        told, self._told = self._told, []
        return told

    def has_answer(self, user_id: str, *, asked: int, floor: int, seen: int | None, code: str | None) -> None:
        """`asked` is the version of the token, `floor` the newest one seen before the question, `seen` the answer."""
        self.answers[code or "ok"] += 1
        self.note("answer", user=user_id, asked=asked, floor=floor, seen=seen, code=code)
        if code is None and (seen or 0) < max(asked, floor):
            self.went_back.append(user_id)
        if code == "user_not_found":
            self.went_back.append(user_id)
