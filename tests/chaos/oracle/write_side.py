"""The promises about PostgreSQL's side: outcomes, the event log, the state table, dead letters.

Each check gives what breaks its promise: ids, with a few words where an id alone doesn't tell.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from tests.chaos.history import History
from tests.chaos.oracle.account import account
from tests.chaos.traffic import Traffic
from tests.support.oracle import Stored, comparable

EVENT_OF = {
    "CreateUser": "UserCreated",
    "RenameUser": "UserRenamed",
    "UpdateUserEmail": "UserEmailUpdated",
    "DeactivateUser": "UserDeactivated",
    "ReactivateUser": "UserReactivated",
}
MAY_CHANGE_NOTHING = ("RenameUser", "UpdateUserEmail")


def without_outcome(held: Stored, traffic: Traffic, history: History) -> Iterable[str]:
    return history.confirmed - traffic.poison.keys() - held.outcomes.keys()


def of_nobody(held: Stored, history: History) -> Iterable[str]:
    """Outcomes of commands that were never sent."""
    return held.outcomes.keys() - history.sent.keys()


def other_outcomes(held: Stored, traffic: Traffic, history: History) -> Iterator[str]:
    """Commands of which a client heard something else than what PostgreSQL remembers, or two things."""
    for command_id, outcomes in history.outcomes.items():
        reason = traffic.poison.get(command_id)
        if reason is not None:
            if any(outcome.get("error", {}).get("code") != reason for outcome in outcomes):
                yield command_id
        elif any(outcome != held.outcomes.get(command_id) for outcome in outcomes):
            yield command_id


def with_holes(events: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[str]:
    """Users whose versions are not 1 … n."""
    for user_id, log in events.items():
        if [event["version"] for event in log] != list(range(1, len(log) + 1)):
            yield user_id


def not_as_declared(held: Stored, traffic: Traffic) -> Iterator[str]:
    """Ids of commands: applied twice, with an event that is not theirs, or accepted without one."""
    causes: set[str] = set()
    for user_id, events in held.events.items():
        for event in events:
            cause = str(event["causation_id"])
            command, outcome = traffic.commands.get(cause), held.outcomes.get(cause, {})
            expected = {
                "status": "accepted",
                "command_id": cause,
                "aggregate_id": user_id,
                "version": event["version"],
                "consistency_token": f"user/{user_id}@{event['version']}",
            }
            right = command is not None and (EVENT_OF[command.type], command.user_id) == (event["type"], user_id)
            if cause in causes or not right or outcome != expected:
                yield cause
            causes.add(cause)
    for command_id in held.outcomes.keys() - causes:
        command = traffic.commands.get(command_id)
        accepted = held.outcomes[command_id]["status"] == "accepted"
        if accepted and (command is None or command.type not in MAY_CHANGE_NOTHING):
            yield command_id


def overtaken(held: Stored, traffic: Traffic) -> Iterator[str]:
    """Users in whose log a command stands before one that its client, who sends all of a user's, sent earlier."""
    sent: dict[str, int] = {}
    for place, message in enumerate(traffic.messages):
        sent.setdefault(message.message_id, place)
    for user_id, events in held.events.items():
        causes = [str(event["causation_id"]) for event in events]
        for earlier, later in pairwise(cause for cause in causes if cause in sent):
            if sent[earlier] > sent[later]:
                yield f"{user_id}: {earlier} before {later}"


def wrong_states(held: Stored) -> Iterator[str]:
    for user_id in held.events.keys() | held.users.keys():
        row, events = held.users.get(user_id), held.events.get(user_id, [])
        if row is None or comparable(row) != account(events):
            yield user_id


def shared_emails(held: Stored) -> Iterator[str]:
    """Users who have an e-mail address of someone else, whatever the case of its letters."""
    owners: dict[str, list[str]] = defaultdict(list)
    for user_id, events in held.events.items():
        if (user := account(events)) is not None:
            owners[user["email"].casefold()].append(user_id)
    for users in owners.values():
        if len(users) > 1:
            yield " and ".join(users)


def wrong_letters(letters: Mapping[str, list[str]], traffic: Traffic, history: History) -> Iterator[str]:
    """Of poison that was confirmed there is one letter, however often it was sent, delivered or buried; of what was
    not confirmed one at most, and of all else none.
    """
    for message_id in letters.keys() | (traffic.poison.keys() & history.confirmed):
        reasons = letters.get(message_id, [])
        if reasons != [traffic.poison.get(message_id)] or message_id not in history.sent:
            yield f"{message_id}: {reasons} for {traffic.poison.get(message_id)}"
