"""The commands that are sent: the same for every system."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from uuid_utils.compat import uuid7


@dataclass(frozen=True, slots=True)
class Command:
    """`version`: where its user stands once it is done."""

    id: str
    type: str
    body: dict[str, Any]
    version: int

    @property
    def user_id(self) -> str:
        return str(self.body["user_id"])


def creates(count: int, label: str) -> list[Command]:
    """Of new users, in no order of their ids. `label` keeps one drain's users apart from another's."""
    rng = Random(label)
    return [_create(f"{rng.getrandbits(40):010x}-{label}-{number}", number) for number in range(count)]


def updates(existing: Sequence[Command]) -> list[Command]:
    """A new e-mail address for the user of each of these commands, in another order."""
    shuffled = Random("updates").sample(existing, len(existing))
    return [update_of(each.user_id, each.version) for each in shuffled]


def update_of(user_id: str, version: int) -> Command:
    """For a user who stands at `version`."""
    body = {"user_id": user_id, "new_email": f"{user_id}.{version + 1}@example.org"}
    return Command(str(uuid7()), "UpdateUserEmail", body, version + 1)


def as_line(command: Command) -> str:
    """As peers read it."""
    return json.dumps({"id": command.id, "type": command.type, "body": command.body})


def _create(user_id: str, number: int) -> Command:
    body = {"user_id": user_id, "name": f"Ada Lovelace {number}", "email": f"{user_id}@example.com"}
    return Command(str(uuid7()), "CreateUser", body, 1)
