"""That preloaded users are what the services would have written: every kind of query is asked about one of them."""

from typing import Any

from deploy.native.client_env import client_env
from tests.benchmarks.ours import Ours
from tests.support.ask import Asker


class PreloadError(Exception):
    """The stores do not hold what they should."""


async def check_counts(ours: Ours, count: int) -> None:
    """Every store has them all."""
    for table in ("users", "events", "inbox"):
        found = await ours.stores.postgres.fetchval(f"SELECT count(*) FROM {table}")
        _require(found == count, f"{found} rows in {table} instead of {count}")
    for watched in await ours.watched():
        found = await ours.stores.documents[watched.collection].estimated_document_count()
        _require(found == count, f"{found} documents in {watched.collection} instead of {count}")


async def check_answers(ours: Ours, count: int, user_id: str, name: str, command_id: str) -> None:
    """Leaves the query service running."""
    await ours.start_queries()
    async with Asker(client_env(ours.native.layout)["CQRS_AMQP_URL"]) as asker:
        user = await _data(asker, "GetUserById", user_id=user_id)
        expected = {"user_id": user_id, "name": name, "status": "active", "version": 1}
        _require(expected.items() <= user.items(), f"GetUserById gives {user}")
        _require(await _data(asker, "GetUserByEmail", email=user["email"]) == user, "GetUserByEmail gives another user")
        history = (await _data(asker, "GetUserHistory", user_id=user_id))["items"]
        entries = [(entry["version"], entry["type"], entry["causation_id"]) for entry in history]
        _require(entries == [(1, "UserCreated", command_id)], f"GetUserHistory gives {entries}")
        found = (await _data(asker, "SearchUsers", text=name))["items"]
        _require(user in found, "SearchUsers does not find the user")
        status = await _data(asker, "GetCommandStatus", command_id=command_id)
        _require((status["status"], status["version"]) == ("accepted", 1), f"GetCommandStatus gives {status}")
        days = (await _data(asker, "GetSignupStats", bucket="month"))["items"]
        _require(sum(day["signups"] for day in days) == count, "GetSignupStats counts other sign-ups")
        _require(days[-1]["active_total"] == count, "GetSignupStats counts other active users")


async def _data(asker: Asker, query: str, **body: Any) -> dict[str, Any]:
    answer = await asker.ask(query, timeout=30, **body)
    _require(answer["status"] == "ok", f"{query} answers {answer}")
    data: dict[str, Any] = answer["data"]
    return data


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise PreloadError(otherwise)
