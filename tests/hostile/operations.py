"""62–66: stores that fail and operators who err. Good commands wait here where their store does, and none is lost."""

import asyncio
import json
import os
import sys
from contextlib import AsyncExitStack, suppress
from typing import Any

import asyncpg
from pymongo import AsyncMongoClient
from pymongo.errors import AutoReconnect
from yarl import URL

from deploy.native.layout import ROOT
from deploy.native.secret_files import read_secret
from tests.hostile.case import Case
from tests.hostile.events import at_version
from tests.hostile.scene import Scene
from tests.hostile.user_bodies import alice
from tests.support.oracle import plain_postgres_url
from tests.support.stack import servers_admin_urls

RETRIES = "command_retries_total"
STEPPED_DOWN_SECONDS = 3
SECRET = "wr0ng-s3cr3t"
START_SECONDS = 120.0
SETTLED_SECONDS = 12.0  # twice the 5 s between two of the broker's figures
FEW_CHANNELS = 40
"""Opened in that time by all: each look at such a queue costs the service one, and its looks grow rarer."""
FULL_DISK = """
    CREATE FUNCTION hostile_full_disk() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
    CREATE TRIGGER hostile_full_disk BEFORE INSERT ON inbox EXECUTE FUNCTION hostile_full_disk();
"""
SPACE_AGAIN = "DROP TRIGGER IF EXISTS hostile_full_disk ON inbox; DROP FUNCTION IF EXISTS hostile_full_disk()"


async def administrator(scene: Scene, held: AsyncExitStack) -> asyncpg.Connection:
    assert scene.stack is not None
    url = URL(plain_postgres_url(servers_admin_urls(scene.stack.native).postgres))
    database = URL(scene.env["CQRS_POSTGRES_URL"]).path
    connection = await asyncpg.connect(str(url.with_path(database)))
    held.push_async_callback(connection.close)
    return connection


async def deadlock(scene: Scene, key: str) -> str:
    """The service holds the user's row and wants the address, the other session the other way round: PostgreSQL
    lets the one fail that has waited for longer, the service.
    """
    address = f"wanted-{key}@example.com"
    await scene.accepted(await scene.send(key, alice(key)))
    before = await scene.metric("command", RETRIES)
    async with AsyncExitStack() as held:
        other = await administrator(scene, held)
        watcher = await administrator(scene, held)
        await other.execute("SET deadlock_timeout = '1h'")
        transaction = other.transaction()
        await transaction.start()
        await other.execute(
            "INSERT INTO users SELECT $1, name, $2, $2, status, version, created_at, updated_at"
            " FROM users WHERE user_id = $3",
            f"{key}-other",
            address,
            key,
        )
        update = json.dumps({"user_id": key, "new_email": address}).encode()
        command_id = await scene.send(key, update, "UpdateUserEmail")

        async def waiting() -> bool:
            return bool(
                await watcher.fetchval(
                    "SELECT count(*) FROM pg_stat_activity WHERE usename = 'command' AND wait_event_type = 'Lock'"
                )
            )

        await scene.until(waiting, "the service waiting for the address")
        await other.execute("UPDATE users SET name = name WHERE user_id = $1", key)  # returns when the service gave up
        await transaction.rollback()
    await scene.accepted(command_id)
    await scene.grown("command", RETRIES, before)
    assert await scene.events_of(key) == 2
    return "retried, accepted once"


async def disk_full(scene: Scene, key: str) -> str:
    """The server's own answer, without a disk: the real one is `disk-full-postgres` of `make chaos`."""
    async with AsyncExitStack() as held:
        sql = await administrator(scene, held)
        await sql.execute(FULL_DISK)
        try:
            command_id = await scene.send(key, alice(key))
            complaint = await scene.until(lambda: scene.unready("command"), "readiness false")
            assert "DiskFull" in complaint, complaint
            await asyncio.sleep(2.0)  # time to bury something
            letters, events = await scene.letters(), await scene.events_of(key)
        finally:
            await sql.execute(SPACE_AGAIN)
    assert (events, [letter for letter in letters if letter[0] == key]) == (0, [])
    await scene.accepted(command_id)
    await scene.until(lambda: ready(scene, "command"), "ready again")
    return "intake paused, readiness false; then accepted"


async def step_down(scene: Scene, key: str) -> str:
    assert scene.stack is not None
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(servers_admin_urls(scene.stack.native).mongo)
    async with client:
        with suppress(AutoReconnect):  # the server may close the connection with the answer
            await client.admin.command(
                "replSetStepDown", STEPPED_DOWN_SECONDS, secondaryCatchUpPeriodSecs=0, force=True
            )
    await scene.accepted(await scene.send(key, alice(key)))
    await at_version(scene, key, 1)
    assert await scene.database["parked"].count_documents({"aggregate_id": key}) == 0
    await scene.until(lambda: ready(scene, "query"), "ready again")
    return "retried; nothing parked or buried"


async def wrong_password(scene: Scene, key: str) -> str:
    """Each service against the real servers, each of its passwords wrong once."""
    amqp = URL(scene.env["CQRS_AMQP_URL"])
    postgres, mongo = URL(scene.env["CQRS_POSTGRES_URL"]), scene.env["CQRS_MONGO_URL"]
    right_mongo_password = URL(mongo.partition("?")[0]).password or ""
    variables: dict[str, tuple[str, dict[str, Any]]] = {
        "command: PostgreSQL": (
            "COMMAND",
            {
                "AMQP_URL": amqp.with_user("command").with_password(SECRET),
                "POSTGRES_URL": postgres.with_user("command").with_password(SECRET),
            },
        ),
        "query: RabbitMQ": ("QUERY", {"AMQP_URL": amqp.with_user("query").with_password(SECRET), "MONGO_URL": mongo}),
        "query: MongoDB": (
            "QUERY",
            {
                "AMQP_URL": amqp.with_user("query").with_password(SECRET),
                "MONGO_URL": mongo.replace(right_mongo_password, SECRET),
            },
        ),
    }
    if scene.stack is not None:  # PostgreSQL is asked first, and elsewhere nobody tells us the right password
        password = read_secret(scene.stack.native.layout.secrets, "postgres_command_password")
        variables["command: RabbitMQ"] = (
            "COMMAND",
            {
                "AMQP_URL": amqp.with_user("command").with_password(SECRET),
                "POSTGRES_URL": postgres.with_user("command").with_password(password),
            },
        )
    ended = await asyncio.gather(
        *(
            start_service(prefix, {f"{prefix}_{name}": str(value) for name, value in urls.items()})
            for prefix, urls in variables.values()
        )
    )
    for what, (code, line) in zip(variables, ended, strict=True):
        assert code == 1, (what, code, line)
        assert len(line.splitlines()) == 1, (what, line)
        assert line.startswith("can't start: "), (what, line)
        for secret in (SECRET, right_mongo_password, amqp.password or SECRET):
            assert secret not in line, what
    return "exit code 1, one line without a secret"


async def start_service(prefix: str, urls: dict[str, str]) -> tuple[int | None, str]:
    """The exit code and everything that the service wrote; it must end by itself."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"services.{prefix.lower()}",
        cwd=ROOT,
        env=os.environ | urls | {f"{prefix}_HTTP_PORT": "0", f"{prefix}_LOG_LEVEL": "warning"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(START_SECONDS):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise AssertionError(f"services.{prefix.lower()} still runs after {START_SECONDS:g} s") from None
    return process.returncode, output.decode().strip()


async def other_arguments(scene: Scene, key: str) -> str:
    """A queue of each service that carries none of the good traffic, deleted and declared by a hand that erred."""
    troubles = []
    for service, queue in (("query", "projection-control"), ("command", "event-log")):
        troubles.append(await with_other_arguments(scene, service, queue))
    return f"unready: {troubles[0]}"


async def with_other_arguments(scene: Scene, service: str, name: str) -> str:
    channel = scene.administrator
    await channel.queue_delete(name)
    await channel.declare_queue(name, durable=True, arguments={"x-queue-type": "classic", "x-max-length": 7})
    try:

        async def complaint() -> str | None:
            text = await scene.unready(service)
            return text if text and "other arguments" in text else None

        text: str = await scene.until(complaint, f"readiness of {service} false")
        assert f"queue '{name}' exists with other arguments" in text, text
        before = await channels_opened(scene)
        await asyncio.sleep(SETTLED_SECONDS)
        opened = await channels_opened(scene) - before
    finally:
        await channel.queue_delete(name)
        queue = await channel.declare_queue(name, durable=True, arguments={"x-queue-type": "classic"})
        await queue.bind(name, name)
    await scene.until(lambda: ready(scene, service), f"{service} ready again")
    assert opened < FEW_CHANNELS, f"{opened} channels in {SETTLED_SECONDS:g} s: a hot loop"
    troubles: list[str] = [trouble for trouble in json.loads(text)["checks"].values() if trouble]
    return next(trouble for trouble in troubles if "other arguments" in trouble)


async def channels_opened(scene: Scene) -> int:
    """Since the broker's start."""
    async with scene.http.get(f"{scene.env['CQRS_RABBITMQ_API_URL']}/api/overview") as response:
        return int((await response.json())["churn_rates"]["channel_created"])


async def ready(scene: Scene, service: str) -> bool:
    return await scene.unready(service) is None


CASES = (
    Case(62, "deadlock", "rows locked in the opposite order", "retried_accepted_once", deadlock, breaks_servers=True),
    Case(
        63, "PostgreSQL's disk full", "SQLSTATE 53100", "intake_pauses_nothing_buried", disk_full, breaks_servers=True
    ),
    Case(64, "MongoDB not primary", "step-down of 3 s", "retried", step_down, breaks_servers=True),
    Case(65, "wrong password at start", "of each server", "exit_code_1_one_line_no_secret", wrong_password),
    Case(66, "a queue with other arguments", "x-max-length 7", "unready_with_a_clear_line", other_arguments),
)
