"""Servers as if nothing had been there: quicker than new ones."""

import aiohttp
import asyncpg
from pymongo import AsyncMongoClient

from deploy.native.services import MONGO_DATABASE, VHOST
from deploy.native.stack import NativeStack
from tests.support.oracle import plain_postgres_url
from tests.support.stack import servers_admin_urls

TABLES = "users, events, inbox, outbox, dead_letters"


async def empty(servers: NativeStack) -> None:
    """Takes what services left; they must have ended, and be set up again."""
    admin = servers_admin_urls(servers)
    postgres = await asyncpg.connect(plain_postgres_url(admin.postgres).removesuffix("/postgres") + "/cqrs")
    try:
        await postgres.execute(f"TRUNCATE {TABLES} RESTART IDENTITY")
    finally:
        await postgres.close()
    client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(admin.mongo)
    async with client:
        await client.drop_database(MONGO_DATABASE)
    async with (
        aiohttp.ClientSession() as session,
        session.delete(f"{admin.rabbitmq_api}/api/vhosts/{VHOST}") as response,
    ):
        response.raise_for_status()
