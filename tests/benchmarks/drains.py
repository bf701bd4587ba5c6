"""`python -m tests.benchmarks.drains`: many drains in a row, and none may stall or leave a message behind."""

import argparse
import asyncio
import sys

from services.query.bootstrap import PROJECTION_QUEUES
from shared.messaging.opening import open_connection
from shared.messaging.topology import commands_queues
from tests.benchmarks.commands import creates
from tests.benchmarks.drain import StalledError, drain
from tests.benchmarks.percentiles import percentile
from tests.benchmarks.scale import Scale
from tests.benchmarks.session import Reporter, Session, end_as_by_hand, session
from tests.support.stack import own_servers, servers_admin_urls


def main() -> int:
    """0 when every drain came to its end, 1 when one did not."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.drains", description=__doc__)
    parser.add_argument("--drains", type=int, default=200)
    parser.add_argument("--commands", type=int, default=2000, help="of each drain")
    given = parser.parse_args()
    end_as_by_hand()
    with own_servers() as servers, Reporter() as reporter:
        servers.set_up()

        async def run() -> int:
            async with session(servers, Scale(), reporter, None, servers.layout.logs) as running:
                return await _in_a_row(running, given.drains, given.commands)

        return asyncio.run(run())


async def _in_a_row(running: Session, count: int, commands: int) -> int:
    await running.ours.reset()
    seconds: list[float] = []
    for number in range(count):
        running.reporter.step("drains", number, count)
        try:
            done = await drain(running.ours, creates(commands, f"n{number}"))
        except StalledError as error:
            running.reporter.say(f"drain {number + 1} stalled: {error}")
            return 1
        seconds.append(done.seconds)
        if (number + 1) % 10 == 0:
            running.reporter.say(f"  {number + 1} drains of {commands}, the last in {done.seconds:.2f} s")
    left = await _left_in_queues(servers_admin_urls(running.servers).amqp)
    sys.stdout.write(
        f"{count} drains of {commands} commands: none stalled; {left} messages left; seconds p50 "
        f"{percentile(seconds, 50):.2f}, p99 {percentile(seconds, 99):.2f}, max {max(seconds):.2f}\n"
    )
    return 1 if left else 0


async def _left_in_queues(amqp_url: str) -> int:
    queues = [*commands_queues(), *(queue.queue for queue in PROJECTION_QUEUES)]
    async with await open_connection(f"{amqp_url}cqrs") as connection:
        channel = await connection.channel()
        found = [await channel.declare_queue(queue, passive=True) for queue in queues]
    return sum(each.declaration_result.message_count or 0 for each in found)


if __name__ == "__main__":
    sys.exit(main())
