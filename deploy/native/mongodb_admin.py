"""Makes a fresh mongod a replica set of one with an administrator; runs inside the virtual environment.

usage: python -m deploy.native.mongodb_admin PORT SECRETS_FOLDER. Ends once the node is primary; harmless when repeated.
"""

import sys
import time
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from deploy.native.mongodb import ADMIN, REPLICA_SET
from deploy.native.secret_files import read_secret

_NOT_YET_INITIALIZED = 94
_UNAUTHORIZED = 13
_AUTHENTICATION_FAILED = 18
_TIMEOUT_SECONDS = 60


def administer(port: int, password: str) -> None:
    """Initiates, or after a change of ports reconfigures, the replica set; creates the administrator."""
    member = f"127.0.0.1:{port}"
    with _connect(port, username=ADMIN, password=password) as client:
        if _authenticates(client):
            _use_address(client, member)
            _wait_for_primary(client)
            return
    # Without any user, mongod trusts a connection from the same machine with just this much.
    with _connect(port) as client:
        _initiate(client, member)
        _wait_for_primary(client)
        client.admin.command("createUser", ADMIN, pwd=password, roles=[{"role": "root", "db": "admin"}])


def _connect(port: int, **credentials: Any) -> MongoClient[dict[str, Any]]:
    return MongoClient("127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=30_000, **credentials)


def _authenticates(client: MongoClient[dict[str, Any]]) -> bool:
    try:
        client.admin.command("connectionStatus")
    except OperationFailure as error:
        if error.code == _AUTHENTICATION_FAILED:
            return False
        raise
    return True


def _initiate(client: MongoClient[dict[str, Any]], member: str) -> None:
    try:
        client.admin.command("replSetGetStatus")
    except OperationFailure as error:
        if error.code == _NOT_YET_INITIALIZED:
            client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [{"_id": 0, "host": member}]})
        elif error.code != _UNAUTHORIZED:
            raise


def _use_address(client: MongoClient[dict[str, Any]], member: str) -> None:
    config = client.admin.command("replSetGetConfig")["config"]
    if config["members"][0]["host"] != member:
        config["members"][0]["host"] = member
        config["version"] += 1
        client.admin.command("replSetReconfig", config, force=True)


def _wait_for_primary(client: MongoClient[dict[str, Any]]) -> None:
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while not client.admin.command("hello").get("isWritablePrimary"):
        if time.monotonic() > deadline:
            raise TimeoutError("mongod did not become primary")
        time.sleep(0.1)


if __name__ == "__main__":
    try:
        administer(int(sys.argv[1]), read_secret(Path(sys.argv[2]), "mongo_admin_password"))
    except (PyMongoError, TimeoutError) as problem:
        sys.exit(str(problem))
