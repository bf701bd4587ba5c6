"""`python -m tests.scale.live`: live queries, read your writes, pages and searches, at scale, on a stack of its own.

It prints what it measured, and exits with 1 when a promise was broken. Speeds are printed and not judged.
"""

import argparse
import asyncio
import sys

from services.query.read_models.user_directory import USER_DIRECTORY
from services.query.read_models.users import USERS
from tests.scale.live.figures import Figures
from tests.scale.live.live_queries import live_queries
from tests.scale.live.pages import pages_and_searches
from tests.scale.live.population import populate
from tests.scale.live.read_your_writes import alone, under_load
from tests.support.stack import Stack, own_servers, services_on

PARTS = ("live", "writes", "pages")


def main() -> int:
    """0 when every promise held, 1 when one was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.scale.live", description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--users", type=int, default=1_000_000, help="whom pages and searches find their way among")
    parser.add_argument("--rounds", type=int, default=1_000, help="of pages and searches")
    parser.add_argument("--subscriptions", type=int, default=200)
    parser.add_argument("--rate", type=float, default=500.0, help="commands a second beside live queries")
    parser.add_argument("--seconds", type=float, default=60.0, help="that they are sent")
    parser.add_argument("--writes", type=int, default=10_000, help="commands that are read back")
    given = parser.parse_args()
    figures = Figures()
    with own_servers(query_replicas=2) as servers, services_on(servers) as stack:
        asyncio.run(_run(stack, given, figures))
    sys.stdout.write(f"{figures.verdict()}\n")
    return 1 if figures.violations else 0


async def _run(stack: Stack, given: argparse.Namespace, figures: Figures) -> None:
    parts = given.only.split(",")
    amqp_url, mongo_url = stack.env["CQRS_AMQP_URL"], stack.env["CQRS_MONGO_URL"]
    if "live" in parts:
        await live_queries(
            amqp_url,
            stack.http_urls("query"),
            figures,
            subscriptions=given.subscriptions,
            per_second=given.rate,
            seconds=given.seconds,
        )
    if "writes" in parts:
        await alone(amqp_url, mongo_url, figures)
        await under_load(amqp_url, figures, times=given.writes)
    if "pages" in parts:
        await populate(mongo_url, [USERS, USER_DIRECTORY], given.users)
        await pages_and_searches(amqp_url, figures, users=given.users, rounds=given.rounds)


if __name__ == "__main__":
    sys.exit(main())
