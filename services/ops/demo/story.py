"""The story of Alice and Bob, checked at every step. Each function is a chapter."""

import asyncio
import time
from collections.abc import Sequence
from uuid import UUID

from uuid_utils.compat import uuid7

from services.ops.demo.narrator import PATIENCE, Narrator, NotAsToldError, as_told
from services.ops.rendering.event import event_line
from shared.contracts.cloud_event import CloudEvent
from shared.contracts.commands import CreateUser, RenameUser, UpdateUserEmail
from shared.contracts.outcome import Accepted, Rejected, RejectionCode
from shared.contracts.queries import GetAllUsers, GetCommandStatus, GetUserById
from shared.contracts.views import CommandStatusView


async def tell(narrator: Narrator, happened: Sequence[CloudEvent], *, run: str) -> None:
    """`run` makes this run's users others than those of the last, so that the story can be told again.

    `happened` grows by the events that are published. Raises NotAsToldError and ClientError.
    """
    begin = time.perf_counter()
    alice, bob, mallory = f"alice-{run}", f"bob-{run}", f"mallory-{run}"
    await alice_is_created_and_read(narrator, alice)
    await her_email_is_updated_and_read_at_once(narrator, alice, new_email=f"liddell-{run}@example.com")
    await bob_is_created_and_all_are_listed(narrator, bob, alice)
    rejected = await her_email_is_taken(narrator, mallory, taken=f"LIDDELL-{run}@example.com")
    await the_same_command_twice_is_applied_once(narrator, alice)
    await the_log_shows_it(narrator, happened, alice, bob)
    await the_rejection_is_remembered(narrator, rejected)
    narrator.end(f"As told, in {time.perf_counter() - begin:.1f} s.")


async def alice_is_created_and_read(narrator: Narrator, alice: str) -> None:
    narrator.chapter("Alice is created: a command through RabbitMQ into PostgreSQL")
    created = await narrator.send(CreateUser(user_id=alice, name="Alice Liddell", email=f"{alice}@example.com"))
    as_told(_accepted(created).version == 1, "a new user is at version 1")

    narrator.chapter("Alice is read: her event went through RabbitMQ into MongoDB")
    user = await narrator.expect(GetUserById(user_id=alice))
    as_told((user.name, user.version) == ("Alice Liddell", 1), "the read model shows Alice at version 1")


async def her_email_is_updated_and_read_at_once(narrator: Narrator, alice: str, *, new_email: str) -> None:
    narrator.chapter("Her e-mail is updated, and read back at once by the outcome's consistency token")
    updated = _accepted(await narrator.send(UpdateUserEmail(user_id=alice, new_email=new_email)))
    since = time.perf_counter()
    user = await narrator.expect(GetUserById(user_id=alice), token=updated.consistency_token)
    narrator.aside(f"read {(time.perf_counter() - since) * 1000:.0f} ms after the outcome")
    as_told((user.email, user.version) == (new_email, 2), "the update is read back by its token")


async def bob_is_created_and_all_are_listed(narrator: Narrator, bob: str, alice: str) -> None:
    narrator.chapter("Bob is created, and all users are listed, the newest first")
    created = await narrator.send(CreateUser(user_id=bob, name="Bob Dodgson", email=f"{bob}@example.com"))
    as_told(_accepted(created).version == 1, "Bob is at version 1")
    page = await narrator.expect(GetAllUsers(sort="-created_at", limit=5))
    as_told({alice, bob} <= {user.user_id for user in page.items}, "Alice and Bob are in the list")


async def her_email_is_taken(narrator: Narrator, mallory: str, *, taken: str) -> UUID:
    """Returns the id of the command that was rejected."""
    narrator.chapter("Somebody else asks for Alice's e-mail, in capitals: rejected")
    outcome = await narrator.send(CreateUser(user_id=mallory, name="Mallory", email=taken))
    if isinstance(outcome, Rejected) and outcome.error.code == RejectionCode.EMAIL_TAKEN and outcome.command_id:
        return outcome.command_id
    raise NotAsToldError("a second user with Alice's e-mail is rejected as email_taken")


async def the_same_command_twice_is_applied_once(narrator: Narrator, alice: str) -> None:
    narrator.chapter("The same command is sent twice, with one message_id: applied once")
    rename, command_id = RenameUser(user_id=alice, name="Alice Hargreaves"), uuid7()
    first = await narrator.send(rename, command_id=command_id)
    second = await narrator.send(rename, command_id=command_id)
    as_told(_accepted(first) == _accepted(second), "both times the outcome is the same")
    user = await narrator.expect(GetUserById(user_id=alice))
    as_told((user.name, user.version) == ("Alice Hargreaves", 3), "Alice is at version 3, not 4")


async def the_log_shows_it(narrator: Narrator, happened: Sequence[CloudEvent], alice: str, bob: str) -> None:
    narrator.chapter("What happened, as every subscriber saw it: nothing for what was rejected or repeated")
    expected = [("UserCreated", alice, 1), ("UserEmailUpdated", alice, 2), ("UserRenamed", alice, 3)]
    expected.append(("UserCreated", bob, 1))
    deadline = time.monotonic() + PATIENCE
    while len(ours := [event for event in happened if event.aggregateid in (alice, bob)]) < len(expected):
        as_told(time.monotonic() < deadline, "every event is published")
        await asyncio.sleep(0.02)
    for event in ours:
        narrator.show(event_line(event))
    seen = [(event.type, event.aggregateid, event.aggregateversion) for event in ours]
    as_told(sorted(set(seen)) == sorted(expected), "these four events happened and no other")


async def the_rejection_is_remembered(narrator: Narrator, rejected: UUID) -> None:
    narrator.chapter("What became of the rejected command, asked later by its id")
    status = await _known(narrator, rejected)
    as_told((status.status, status.code) == ("rejected", RejectionCode.EMAIL_TAKEN), "its status is known")


async def _known(narrator: Narrator, command_id: UUID) -> CommandStatusView:
    """Asks until the read model has heard of the command: a rejection changes nothing, so no token leads to it."""
    deadline = time.monotonic() + PATIENCE
    while True:
        status = await narrator.expect(GetCommandStatus(command_id=command_id))
        if status.status != "unknown" or time.monotonic() > deadline:
            return status
        await asyncio.sleep(0.1)


def _accepted(outcome: Accepted | Rejected) -> Accepted:
    if isinstance(outcome, Rejected):
        raise NotAsToldError(f"a command was rejected: {outcome.error.code}")
    return outcome
