import asyncio
import os
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr
from pymongo.errors import OperationFailure

from services.query.bootstrap import READ_MODELS, bootstrap
from services.query.mongo.client import mongo_client
from services.query.mongo.collections import Collections
from services.query.mongo.setup import set_up
from services.query.settings import QuerySettings, SetupSettings
from shared.runtime.errors import StartupError
from tests.integration.query.own_mongod import OwnMongod, key_file, own_mongod


def settings(mongod: OwnMongod, **changes: object) -> SetupSettings:
    return SetupSettings.model_validate({"mongo_url": mongod.url, "wait_seconds": 30, **changes})


async def test_a_fresh_server_becomes_a_replica_set_with_indexes_and_again_does_no_harm(tmp_path: Path) -> None:
    async with own_mongod(tmp_path, "--replSet", "rs0") as mongod:
        for _ in range(2):
            await set_up(settings(mongod))

            async with mongo_client(mongod.url) as client:
                collections = Collections(client["cqrs"])
                for model in READ_MODELS:
                    names = set(await collections.live(model.name).index_information())
                    assert {index.document["name"] for index in model.indexes} <= names


async def test_the_service_may_read_and_write_its_database_and_nothing_else(tmp_path: Path) -> None:
    access = ("--replSet", "rs0", "--keyFile", key_file(tmp_path))
    async with own_mongod(tmp_path, *access) as mongod:
        async with mongo_client(mongod.direct_url) as trusted:  # no user yet: who comes from this machine is let in
            member = {"_id": 0, "host": f"127.0.0.1:{mongod.port}"}
            await trusted.admin.command("replSetInitiate", {"_id": "rs0", "members": [member]})
            while not (await trusted.admin.command("hello"))["isWritablePrimary"]:
                await asyncio.sleep(0.05)
            await trusted.admin.command("createUser", "admin", pwd="secret-1", roles=["root"])
        admin_url = f"mongodb://admin@127.0.0.1:{mongod.port}/?replicaSet=rs0"
        admin = settings(mongod, mongo_url=admin_url, mongo_password="secret-1", service_password="first")

        await set_up(admin)
        await set_up(admin.model_copy(update={"service_password": SecretStr("p@ss/word:2")}))

        service = QuerySettings(
            amqp_url=SecretStr("amqp://127.0.0.1:1/"),
            mongo_url=SecretStr(f"mongodb://query@127.0.0.1:{mongod.port}/cqrs?replicaSet=rs0"),
            mongo_password=SecretStr("p@ss/word:2"),
            http_port=0,
        )
        async with mongo_client(service.mongo) as client:
            await client["cqrs"]["users.g1"].insert_one({"_id": "alice", "version": 1})
            for forbidden in (
                client["other"]["things"].insert_one({}),
                client["cqrs"].command("createUser", "mallory", pwd="x", roles=[]),
                client.admin.command("shutdown"),
            ):
                with pytest.raises(OperationFailure, match="not authorized"):
                    await forbidden
        with pytest.raises(StartupError, match="refuses the user of QUERY_SETUP_MONGO_URL") as refused:
            await set_up(admin.model_copy(update={"mongo_password": SecretStr("secret-2")}))
        assert "secret" not in str(refused.value)
        with pytest.raises(StartupError, match="MongoDB refuses us") as refused:
            async with bootstrap(service.model_copy(update={"mongo_password": SecretStr("secret-3")})):
                pass
        assert "secret" not in str(refused.value)


async def test_a_server_that_is_no_member_is_told_how_to_become_one(tmp_path: Path) -> None:
    async with own_mongod(tmp_path) as mongod:
        with pytest.raises(StartupError, match="start mongod with --replSet"):
            await set_up(settings(mongod))


async def test_an_index_of_another_definition_is_named(tmp_path: Path) -> None:
    async with own_mongod(tmp_path, "--replSet", "rs0") as mongod:
        await set_up(settings(mongod))
        async with mongo_client(mongod.url) as client:
            users = Collections(client["cqrs"]).live("users")
            await users.drop_index("email_key")
            await users.create_index("email_key", name="email_key", unique=True)

        with pytest.raises(StartupError, match="can't create the indexes of users"):
            await set_up(settings(mongod))


@pytest.mark.parametrize(
    ("environment", "code", "line"),
    [
        ({}, 2, "QUERY_SETUP_MONGO_URL is not set"),
        (
            {"QUERY_SETUP_MONGO_URL": "mongodb://admin:hush@127.0.0.1:1/", "QUERY_SETUP_WAIT_SECONDS": "1"},
            1,
            "MongoDB at 127.0.0.1:1 does not answer: is it running?",
        ),
    ],
)
async def test_what_went_wrong_is_one_line_and_an_exit_code(environment: dict[str, str], code: int, line: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.query.setup",
        env={"PATH": os.environ["PATH"], **environment},
        stderr=asyncio.subprocess.PIPE,
    )
    _, stderr = await process.communicate()

    assert process.returncode == code
    (said,) = stderr.decode().splitlines()
    assert line in said
    assert "hush" not in said
