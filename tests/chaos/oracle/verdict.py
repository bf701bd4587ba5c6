"""The oracle's last word: what the stores hold against what the clients sent, promise by promise.

Shares no code with the services; its fold of the log is the one of `tests/support/oracle.py`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

import asyncpg

from deploy.native.client_env import client_env
from deploy.native.stack import NativeStack
from tests.chaos.history import History
from tests.chaos.ledger import Violation
from tests.chaos.oracle import read_models, signup_stats, user_history, write_side
from tests.chaos.oracle.read_models import ReadSide, read_side
from tests.chaos.oracle.rebuilt import differences, rebuilt
from tests.chaos.oracle.replay import replay, without_a_time
from tests.chaos.traffic import Traffic
from tests.support.ask import Asker
from tests.support.oracle import Stored, plain_postgres_url, stored, wait_until_quiet

QUIET_DEADLINE = 120.0
QUIET = "outbox and queues are empty, nothing is unacknowledged"


async def verdict(
    native: NativeStack,
    traffic: Traffic,
    history: History,
    prefix: str,
    *,
    deadline: float = QUIET_DEADLINE,
    rebuild: bool = True,
) -> list[Violation]:
    """Waits until all work is done, `deadline` seconds at most, then gives every promise that is broken.

    `rebuild` says whether the read side is also built anew from the log, to compare it with the live one.
    """
    env = client_env(native.layout)
    found: list[Violation] = []
    try:
        await wait_until_quiet(dict(env), deadline)
    except AssertionError as error:
        found.append(Violation(QUIET, [str(error)]))
    held = await stored(dict(env), prefix)
    letters = await dead_letters(env)
    reading = await read_side(env["CQRS_MONGO_URL"])
    checks = {
        **seen_while_it_ran(history),
        **of_the_write_side(held, letters, traffic, history),
        **of_the_read_side(held, letters, traffic, reading),
        **await told_to_clients(env, held),
    }
    if rebuild:
        checks["rebuilt from empty = live"] = await not_as_rebuilt(native, held, letters, reading)
    found += [Violation(promise, ids) for promise, broken in checks.items() if (ids := sorted(broken))]
    return found


def seen_while_it_ran(history: History) -> dict[str, Iterable[str]]:
    return {
        "no version that a client sees goes back": history.went_back,
        "an outcome is told only once it is safe": history.told_too_early,
    }


def of_the_write_side(
    held: Stored, letters: Mapping[str, list[str]], traffic: Traffic, history: History
) -> dict[str, Iterable[str]]:
    return {
        "every confirmed command has an outcome": write_side.without_outcome(held, traffic, history),
        "nothing has an outcome that was not sent": write_side.of_nobody(held, history),
        "every outcome that a client got is the only one": write_side.other_outcomes(held, traffic, history),
        "versions are 1 … n for each aggregate": write_side.with_holes(held.events),
        "the log is the accepted commands": write_side.not_as_declared(held, traffic),
        "commands of an aggregate are applied in the order they were sent": write_side.overtaken(held, traffic),
        "the state table is the fold of the log": write_side.wrong_states(held),
        "no two users share an e-mail address": write_side.shared_emails(held),
        "dead letters are the poison, each with its reason": write_side.wrong_letters(letters, traffic, history),
    }


def of_the_read_side(
    held: Stored, letters: Mapping[str, list[str]], traffic: Traffic, reading: ReadSide
) -> dict[str, Iterable[str]]:
    entries, days = reading.details.get("user_history", {}), reading.details.get("signup_stats", {})
    return {
        "the read side knows what became of each command": read_models.wrong_statuses(
            held, traffic, reading.statuses, letters
        ),
        "no aggregate is parked": reading.parked,
        **{
            f"read model {name} is the fold of the log": read_models.wrong_documents(name, documents, held)
            for name, documents in reading.models.items()
        },
        "user_history has an entry for each event of the log": user_history.wrong_entries(entries, held.events),
        "signup_stats counts each event once": signup_stats.wrong_days(days, held.events),
    }


async def told_to_clients(env: Mapping[str, str], held: Stored) -> dict[str, Iterable[str]]:
    async with Asker(env["CQRS_AMQP_URL"]) as asker:
        return {
            "GetSignupStats tells what is counted from the log": await signup_stats.wrongly_told(asker, held.events),
            "GetUserHistory tells the log": await user_history.wrongly_told(asker, held.events, len(held.events)),
        }


async def not_as_rebuilt(
    native: NativeStack, held: Stored, letters: Mapping[str, list[str]], live: ReadSide
) -> Iterable[str]:
    poison = {message_id: reasons[0] for message_id, reasons in letters.items()}
    messages = replay(held, poison, seed=len(held.outcomes))
    try:
        anew = await rebuilt(native, messages)
    except TimeoutError:
        return ["the events that were replayed are not consumed"]
    return differences(live, anew, without_a_time(held, poison))


async def dead_letters(env: Mapping[str, str]) -> dict[str, list[str]]:
    """The reasons of the dead letters by message id."""
    connection = await asyncpg.connect(plain_postgres_url(env["CQRS_POSTGRES_URL"]))
    try:
        rows = await connection.fetch("SELECT message_id, reason FROM dead_letters")
    finally:
        await connection.close()
    letters: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        letters[row["message_id"] or "without an id"].append(row["reason"])
    return letters
