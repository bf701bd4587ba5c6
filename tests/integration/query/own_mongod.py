"""A mongod of a test's own, which may be killed."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from deploy.native.layout import ROOT, this_python
from deploy.native.mongod_download import fetch_mongod, find_mongod
from services.query.mongo.client import mongo_client

DOWNLOADS = ROOT / ".native" / "downloads"
KEY = "a2V5IG9mIGEgdGVzdCwgYW5kIG9mIG5vdGhpbmcgZWxzZSE="


class OwnMongod:
    """`start` returns when it answers; `kill` is SIGKILL. The data stays from one start to the next."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        self._options = options
        self._process: asyncio.subprocess.Process | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}/?replicaSet=rs0"

    @property
    def direct_url(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}/?directConnection=true"

    async def start(self) -> None:
        data = self._folder / "data"
        data.mkdir(exist_ok=True)
        DOWNLOADS.mkdir(parents=True, exist_ok=True)
        fetch_mongod(DOWNLOADS, this_python())
        self._process = await asyncio.create_subprocess_exec(
            str(find_mongod(DOWNLOADS)),
            *("--dbpath", str(data), "--port", str(self.port), "--bind_ip", "127.0.0.1", "--nounixsocket"),
            *("--wiredTigerCacheSizeGB", "0.25", "--setParameter", "diagnosticDataCollectionEnabled=false"),
            *("--setParameter", "transactionLifetimeLimitSeconds=5"),
            *self._options,
            stdout=asyncio.subprocess.DEVNULL,
        )
        async with mongo_client(self.direct_url, serverSelectionTimeoutMS=30_000) as client:
            await client.admin.command("hello")

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def own_mongod(folder: Path, *options: str) -> AsyncIterator[OwnMongod]:
    mongod = OwnMongod(folder, *options)
    await mongod.start()
    try:
        yield mongod
    finally:
        await mongod.kill()


def key_file(folder: Path) -> str:
    """For a member with access control."""
    path = folder / "key"
    path.write_text(KEY)
    path.chmod(0o400)
    return str(path)
