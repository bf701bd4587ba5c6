"""What happens inside PostgreSQL: sessions ended, a lock that somebody forgot, no connection left."""

import asyncio
from contextlib import suppress
from random import Random

import asyncpg

from tests.chaos.chaos_stack import World
from tests.chaos.faults.fault import Base
from tests.chaos.ledger import NOT_REACHED
from tests.support.oracle import plain_postgres_url

TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'command'"
ALL_CONNECTIONS = 200  # max_connections of deploy/postgresql/postgresql.conf
LOCK_TIMEOUT = "10s"


class BackendsTerminated(Base):
    def __init__(self, name: str, rng: Random) -> None:
        super().__init__(name, "postgres", rng.uniform(0.5, 2))

    async def inject(self, world: World) -> None:
        connection = await administrator(world)
        try:
            await connection.execute(TERMINATE)
        finally:
            await connection.close()

    async def heal(self, world: World) -> None:
        """There is nothing to undo."""


class LongLock(Base):
    """A transaction that nobody ends holds a table.

    It waits for it for some seconds only. A service that is suspended while it has a statement prepared (asyncpg sends
    no Sync before it has the answer) keeps a share in the table until it goes on, for no timeout of PostgreSQL 15 ends
    that; and in a mixture it goes on only after this.
    """

    def __init__(self, name: str, rng: Random) -> None:
        super().__init__(name, "postgres", rng.uniform(4, 20))
        self._table = rng.choice(["users", "outbox", "inbox", "events"])
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    async def inject(self, world: World) -> None:
        self._connection = await administrator(world)
        await self._connection.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
        await self._connection.execute("BEGIN")
        try:
            await self._connection.execute(f"LOCK TABLE {self._table} IN ACCESS EXCLUSIVE MODE")
        except asyncpg.LockNotAvailableError:
            self.name += NOT_REACHED

    async def heal(self, world: World) -> None:
        assert self._connection is not None
        await self._connection.close()


class ConnectionsExhausted(Base):
    """Others have every connection, and those of the services are ended."""

    def __init__(self, name: str, rng: Random) -> None:
        super().__init__(name, "postgres", rng.uniform(4, 12))
        self._taken: list[asyncpg.Connection[asyncpg.Record]] = []

    async def inject(self, world: World) -> None:
        for _ in range(3):  # what was the services' is taken in the second round
            await self._take_all(world)
            if self._taken:
                await self._taken[0].execute(TERMINATE)

    async def _take_all(self, world: World) -> None:
        with suppress(asyncpg.TooManyConnectionsError, asyncpg.CannotConnectNowError):
            while len(self._taken) < ALL_CONNECTIONS:
                self._taken.append(await administrator(world))

    async def heal(self, world: World) -> None:
        await asyncio.gather(*(connection.close() for connection in self._taken))


async def administrator(world: World) -> "asyncpg.Connection[asyncpg.Record]":
    url = plain_postgres_url(world.admin.postgres).removesuffix("/postgres") + "/cqrs"
    return await asyncpg.connect(url, timeout=10)
