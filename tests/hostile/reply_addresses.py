"""21–27: where a reply must not go, and what counts it. The command itself is a good one and is done."""

import uuid

from tests.hostile.case import Case, Meet
from tests.hostile.scene import Scene
from tests.hostile.user_bodies import alice
from tests.support.raw_amqp import CORRELATION_ID, MESSAGE_ID, REPLY_TO, TYPE, short

COMMAND_REFUSED = "command_replies_refused_total"
UNROUTABLE = 'messaging_replies_dropped_total{reason="unroutable"}'
NO_REPLY = "no_reply_and_counted"


async def done_and_counted(scene: Scene, key: str, reply_to: str, sample: str = COMMAND_REFUSED) -> None:
    """The reply address goes over a raw socket: libraries have ideas of their own about an empty one."""
    before = await scene.metric("command", sample)
    command_id = str(uuid.uuid4())
    properties = b"".join(short(text.encode()) for text in (command_id, reply_to, command_id, "CreateUser"))
    await scene.send_raw(key, CORRELATION_ID | REPLY_TO | MESSAGE_ID | TYPE, properties, alice(key))
    assert (await scene.recorded(command_id))["status"] == "accepted"
    await scene.grown("command", sample, before)


def refused(*addresses: str) -> Meet:
    async def meet(scene: Scene, key: str) -> str:
        for number, address in enumerate(addresses):
            await done_and_counted(scene, f"{key}-{number}", address)
        return "done, no reply, counted as refused"

    return meet


async def question_with_another_queues_name(scene: Scene, key: str) -> str:
    await done_and_counted(scene, key, "commands.0")
    sample = 'messaging_requests_dropped_total{reason="reply_to_refused"}'
    before = await scene.metric("query", sample)
    await scene.ask("GetUserById", {"user_id": key}, reply_to="projections.folded")
    await scene.grown("query", sample, before)
    return "done, no reply, counted as refused; a query so too"


async def of_another_user(scene: Scene, key: str) -> str:
    """Names that begin with `reply.` are a client's by contract, whichever client's: there the owner must pass over
    a reply with a correlation id that is not his.
    """
    await done_and_counted(scene, f"{key}-0", f"subscriber.{key}")
    command_id = await scene.send(f"{key}-1", alice(f"{key}-1"), reply_to=scene.good_reply_queue)
    assert (await scene.recorded(command_id))["status"] == "accepted"
    return "refused and counted; in a reply.* queue passed over by its owner"


async def without_correlation_id(scene: Scene, key: str) -> str:
    command_id = await scene.send(key, alice(key), correlation_id=None)

    async def answered() -> bool:
        return any(
            reply.correlation_id is None and reply.document.get("command_id") == command_id for reply in scene.replies
        )

    await scene.until(answered, "outcome without correlation id")
    return "answered without one"


async def gone(scene: Scene, key: str) -> str:
    await done_and_counted(scene, key, f"reply.gone-{key}", UNROUTABLE)
    return "done, reply dropped, counted as unroutable"


async def longest(scene: Scene, key: str) -> str:
    await done_and_counted(scene, f"{key}-0", "x" * 255)
    await done_and_counted(scene, f"{key}-1", "reply." + "x" * 249, UNROUTABLE)
    return "done, no reply, counted"


MALFORMED_TOKENS = (
    "amq.rabbitmq.reply-to.x",
    "amq.rabbitmq.reply-to.g2dkAA==.",
    "amq.rabbitmq.reply-to.!!!.abc",
)

CASES = (
    Case(21, "another queue's name", "commands.0, projections.folded", NO_REPLY, question_with_another_queues_name),
    Case(22, "malformed direct reply-to", "3 tokens", NO_REPLY, refused(*MALFORMED_TOKENS)),
    Case(23, "empty reply_to", "raw property", NO_REPLY, refused("")),
    Case(24, "reply_to of 255 bytes", "x…, reply.x…", NO_REPLY, longest),
    Case(25, "another user's queue", "subscriber.…, the good client's", NO_REPLY, of_another_user),
    Case(26, "no correlation_id", "property left out", "answered_without_one", without_correlation_id),
    Case(27, "reply queue gone", "reply.gone-…", NO_REPLY, gone),
)
