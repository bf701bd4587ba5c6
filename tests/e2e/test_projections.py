"""Read models as an operator has them: rebuilt, checked, mended and paused by the command line, while clients go on."""

import asyncio
import json
import os
import sys
import uuid
from asyncio.subprocess import PIPE
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from shared.client import CqrsClient
from shared.contracts.answer import Answered
from shared.contracts.commands import CreateUser, RenameUser
from shared.contracts.queries import GetUserById
from tests.scale.traffic import Traffic

ROOT = Path(__file__).parents[2]
MODELS = ("users", "user_directory", "user_history", "signup_stats")


class Operator:
    def __init__(self, env: dict[str, str]) -> None:
        self._env = os.environ | env

    async def __call__(self, *arguments: str) -> tuple[int | None, Any, str]:
        """Exit code, the JSON document on stdout (None when there is none), and stderr."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.ops", "projection", *arguments, "--json"),
            cwd=ROOT,
            env=self._env,
            stdout=PIPE,
            stderr=PIPE,
        )
        out, err = await process.communicate()
        return process.returncode, json.loads(out) if out.strip() else None, err.decode()


@pytest.fixture
def projection(stack_env: dict[str, str]) -> Operator:
    return Operator(stack_env)


async def two_users(stack_env: dict[str, str]) -> list[str]:
    names = [f"e2e-{uuid.uuid4().hex[:10]}" for _ in range(2)]
    async with CqrsClient.connect(stack_env["CQRS_AMQP_URL"]) as client:
        for name in names:
            await client.send_and_wait(CreateUser(user_id=name, name="Alice", email=f"{name}@example.com"))
            await client.send_and_wait(RenameUser(user_id=name, name="Al"))
    return names


@pytest.mark.timeout(300)
async def test_a_rebuild_under_traffic_fails_nobody_and_can_be_taken_back(
    stack_env: dict[str, str], projection: Operator
) -> None:
    await two_users(stack_env)
    traffic = Traffic(stack_env["CQRS_AMQP_URL"], per_second=30)
    clients = asyncio.create_task(traffic.run())

    code, job, err = await projection("rebuild", "users")
    assert (code, job["state"], job["report"]["differences"]) == (0, "done", 0), err
    code, back, err = await projection("rollback", "users")
    traffic.stopping.set()
    await clients

    assert (code, back["state"], back["target"]) == (0, "done", 1), err
    assert traffic.wrong == []
    assert traffic.counts["queries"] > 100
    code, pruned, _ = await projection("prune", "users", "--yes")
    assert (code, pruned["generations"]) == (0, [job["target"]])
    code, verified, _ = await projection("verify", "users")
    assert (code, verified["report"]["differences"]) == (0, 0)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("model", MODELS)
async def test_damaged_documents_are_named_and_mended(
    stack_env: dict[str, str], projection: Operator, model: str
) -> None:
    one, other = await two_users(stack_env)
    assert (await projection("verify", model))[0] == 0
    async with AsyncMongoClient[dict[str, Any]](stack_env["CQRS_MONGO_URL"]) as mongo:
        documents = mongo.get_default_database("cqrs")[f"{model}.g1"]
        await documents.update_one({"_id": one}, {"$set": {"name": "Mallory"}})
        await documents.delete_one({"_id": other})
        await documents.insert_one({"_id": "nobody", "version": 1, "email_key": "nobody"})

        code, job, err = await projection("verify", model)
        assert (code, job["report"]["differences"]) == (1, 3), err
        assert {(each["kind"], each["id"]) for each in job["report"]["named"]} == {
            ("different", one),
            ("missing", other),
            ("invented", "nobody"),
        }
        code, job, err = await projection("verify", model, "--repair")
        assert (code, job["report"]["repaired"]) == (0, 3), err
        code, job, err = await projection("verify", model)
        assert (code, job["report"]["differences"]) == (0, 0), err


@pytest.mark.timeout(300)
async def test_live_answers_go_on_over_a_rebuild_and_are_told_what_a_repair_takes_back(
    stack_env: dict[str, str], projection: Operator
) -> None:
    alice, _ = await two_users(stack_env)
    heard: list[int] = []

    async def listen(client: CqrsClient) -> None:
        async for answer in client.subscribe(GetUserById(user_id=alice)):
            assert isinstance(answer, Answered)
            heard.append(answer.data.version)

    async with CqrsClient.connect(stack_env["CQRS_AMQP_URL"]) as client:
        listening = asyncio.create_task(listen(client))
        rebuilding = asyncio.create_task(projection("rebuild", "users"))
        version = 2
        while not rebuilding.done() or version < 10:
            version += 1
            await client.send_and_wait(RenameUser(user_id=alice, name=f"Al {version}"))
            await asyncio.sleep(0.2)
        code, job, err = await rebuilding
        assert code == 0, err
        await until(lambda: heard[-1:] == [version])
        assert heard == list(range(heard[0], version + 1)), "each version once, whichever generation it came from"

        async with AsyncMongoClient[dict[str, Any]](stack_env["CQRS_MONGO_URL"]) as mongo:
            documents = mongo.get_default_database("cqrs")[f"users.g{job['target']}"]
            document = await documents.find_one({"_id": alice})
            assert document is not None
            await documents.replace_one({"_id": alice}, document | {"version": version + 5})
        await until(lambda: heard[-1:] == [version + 5])
        assert (await projection("verify", "users", "--repair"))[0] == 0
        await until(lambda: heard[-1:] == [version])
        await client.send_and_wait(RenameUser(user_id=alice, name="Al again"))
        await until(lambda: heard[-1:] == [version + 1])
        listening.cancel()
    assert (await projection("rollback", "users"))[0] == 0
    assert (await projection("prune", "users", "--yes"))[0] == 0


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


@pytest.mark.timeout(120)
async def test_a_paused_model_is_listed_with_its_lag(stack_env: dict[str, str], projection: Operator) -> None:
    await two_users(stack_env)
    assert (await projection("pause", "user_history"))[:2] == (0, {"model": "user_history", "paused": True})
    await asyncio.sleep(3)
    await two_users(stack_env)
    await asyncio.sleep(2)

    code, listed, err = await projection("list")
    await projection("resume", "user_history")

    by_name = {each["model"]: each for each in listed["projections"]}
    assert (code, err) == (0, "")
    assert (by_name["user_history"]["paused"], by_name["users"]["paused"]) == (True, False)
    assert (by_name["user_history"]["lag_events"], by_name["users"]["lag_events"]) == (4, 0)
    assert by_name["user_history"]["lag_seconds"] >= 1.5
    assert by_name["users"]["position"] == listed["head"]


@pytest.mark.timeout(300)
async def test_what_can_not_be_done_is_said(projection: Operator) -> None:
    code, out, err = await projection("rebuild", "command_status")
    assert (code, out) == (1, None)
    assert "not a fold of the event log" in err
    code, out, err = await projection("verify", "nonsense")
    assert (code, out, "there are command_status, signup_stats" in err) == (1, None, True)
    code, out, err = await projection("cancel", "users")
    assert (code, out, "nothing is under way" in err) == (1, None, True)
    assert (await projection("verify", "users", "--patience", "-1"))[0] == 2
