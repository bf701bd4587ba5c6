"""A replica set with a primary: what majority writes and retryable writes need, be it of one member."""

import asyncio
import time
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

import structlog
from pymongo import AsyncMongoClient
from pymongo.errors import AutoReconnect, OperationFailure

from services.query.mongo.client import mongo_client
from services.query.read_model import Document
from shared.runtime.errors import StartupError

logger = structlog.stdlib.get_logger(__name__)

DEFAULT_NAME = "rs0"
PAUSE_SECONDS = 0.2
UNAUTHORIZED, AUTHENTICATION_FAILED, ALREADY_INITIATED = 13, 18, 23


async def ensure_replica_set(url: str, member_host: str | None, wait_seconds: float) -> None:
    """Returns when the replica set has a primary; initiates it, with the URL's server as its member, where there is
    none.

    `wait_seconds` bounds the wait for the server and for the primary. Raises StartupError.
    """
    deadline = time.monotonic() + wait_seconds
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2].partition(",")[0]
    async with mongo_client(_direct(parts, host), directConnection=True, serverSelectionTimeoutMS=1_000) as server:
        hello = await _wait_for_server(server, host, deadline)
        if "setName" not in hello:
            if not hello.get("isreplicaset"):
                raise StartupError(f"MongoDB at {host} is no member of a replica set: start mongod with --replSet")
            await _initiate(server, dict(parse_qsl(parts.query)).get("replicaSet", DEFAULT_NAME), member_host or host)
        await _wait_for_primary(server, host, deadline)


async def _wait_for_server(server: AsyncMongoClient[Document], host: str, deadline: float) -> dict[str, Any]:
    while True:
        try:
            hello: dict[str, Any] = await server.admin.command("hello")
        except AutoReconnect as error:
            if time.monotonic() > deadline:
                raise StartupError(f"MongoDB at {host} does not answer: is it running?") from error
        except OperationFailure as error:
            raise _refused(error, host) from error
        else:
            return hello
        await asyncio.sleep(PAUSE_SECONDS)


async def _initiate(server: AsyncMongoClient[Document], name: str, member_host: str) -> None:
    try:
        await server.admin.command("replSetInitiate", {"_id": name, "members": [{"_id": 0, "host": member_host}]})
    except OperationFailure as error:
        if error.code == ALREADY_INITIATED:
            return
        raise _refused(error, member_host) from error
    logger.info("replica set initiated", name=name, member=member_host)


async def _wait_for_primary(server: AsyncMongoClient[Document], host: str, deadline: float) -> None:
    while True:
        hello = await _wait_for_server(server, host, deadline)
        # A member that has just been elected names itself as the primary a moment before it takes writes.
        if hello.get("isWritablePrimary") or hello.get("primary") not in (None, hello.get("me")):
            return
        if time.monotonic() > deadline:
            raise StartupError(f"the replica set {hello.get('setName')} at {host} has no primary")
        await asyncio.sleep(PAUSE_SECONDS)


def _refused(error: OperationFailure, host: str) -> StartupError:
    if error.code in (UNAUTHORIZED, AUTHENTICATION_FAILED):
        return StartupError(f"MongoDB at {host} refuses the user of QUERY_SETUP_MONGO_URL: check name and password")
    return StartupError(f"MongoDB at {host}: {(error.details or {}).get('errmsg', 'failed')}")


def _direct(parts: SplitResult, host: str) -> str:
    """To one server, of whatever replica set it may be, or of none yet."""
    user_info, at, _ = parts.netloc.rpartition("@")
    query = [(key, value) for key, value in parse_qsl(parts.query) if key != "replicaSet"]
    return urlunsplit((parts.scheme, f"{user_info}{at}{host}", parts.path or "/", urlencode(query), ""))
