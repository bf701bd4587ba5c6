"""`python -m services.query`: the query service."""

import argparse
import asyncio

from services.query.bootstrap import bootstrap
from services.query.settings import QuerySettings
from shared.runtime.run import run_service, started


def main() -> int:
    argparse.ArgumentParser(
        prog="python -m services.query",
        description="The query service: projects events into MongoDB and answers queries.",
        epilog="Settings come from the environment: QUERY_AMQP_URL, QUERY_MONGO_URL, QUERY_HTTP_PORT and, optionally, "
        "QUERY_AMQP_PASSWORD, QUERY_MONGO_PASSWORD, QUERY_HTTP_HOST, QUERY_TRANSPORT, QUERY_MONGO_READS, "
        "QUERY_BATCH_SIZE, QUERY_PREFETCH, "
        "QUERY_MAX_LINGER_MS, QUERY_MAX_CONCURRENT_QUERIES, QUERY_MAX_LIVE_QUERIES, QUERY_MAX_LIVE_QUERIES_PER_ASKER, "
        "QUERY_EVENT_LOG_TIMEOUT_SECONDS, QUERY_CATALOGUE_LEASE_SECONDS, QUERY_DRAIN_SECONDS, "
        "QUERY_LOG_LEVEL, QUERY_LOG_FORMAT. NAME_FILE names a file that holds the value of NAME.",
    ).parse_args()
    return run_service(QuerySettings, serve)


async def serve(settings: QuerySettings, stop: asyncio.Event) -> None:
    async with started(bootstrap(settings)) as service:
        await service.run(stop)
