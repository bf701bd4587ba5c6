"""Under load every promise holds at once: the statement of `tests/support/oracle.py`, checked from outside."""

import asyncio
import uuid

from tests.support.load import History, LoadClient, plan
from tests.support.oracle import assert_everything_holds


async def test_two_thousand_commands_from_four_clients_are_each_applied_once(stack_env: dict[str, str]) -> None:
    prefix = f"load-{uuid.uuid4().hex[:8]}"
    sent = plan(seed=1, commands=2000, users=500, duplicates=0.1, prefix=prefix)
    history = History()
    clients = [LoadClient(stack_env["CQRS_AMQP_URL"], history) for _ in range(4)]

    await asyncio.gather(*(client.publish(sent[number::4]) for number, client in enumerate(clients)))
    await asyncio.gather(
        *(client.collect({c.message_id for c in sent[number::4]}) for number, client in enumerate(clients))
    )

    assert len(sent) > 2150, "the duplicates are in"
    assert history.confirmed == {command.message_id for command in sent}
    for command_id, outcomes in history.outcomes.items():
        assert all(outcome == outcomes[0] for outcome in outcomes), f"{command_id} has several outcomes: {outcomes}"
    held = await assert_everything_holds(stack_env, sent, prefix)
    seen = {outcome.get("error", {}).get("code", "accepted") for outcome in held.outcomes.values()}
    assert seen >= {"accepted", "email_taken", "user_already_exists", "user_deactivated", "user_active"}
    for command in sent:
        assert history.outcomes[command.message_id][0] == held.outcomes[command.message_id]
