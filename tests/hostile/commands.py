"""41–50: well-formed messages that are no command of the contract, or come too late, or twice."""

from collections.abc import Callable, Sequence
from typing import Any

from tests.hostile.case import Case, Meet
from tests.hostile.json_bodies import REJECTED, invalid
from tests.hostile.scene import Scene
from tests.hostile.user_bodies import alice, renamed

WRONG_TYPES: tuple[Any, ...] = (7, None, True, [], {})
ONE_MEGABYTE = "x" * 1_000_000


def with_properties(code: str, kind: str = "CreateUser", **properties: Any) -> Meet:
    async def meet(scene: Scene, key: str) -> str:
        await scene.rejected(await scene.send(key, alice(key), kind, **properties), code)
        await scene.buried(key, code)
        assert await scene.events_of(key) == 0
        return f"rejected {code}, dead letter"

    return meet


def each_invalid(bodies: Callable[[str], Sequence[bytes]]) -> Meet:
    async def meet(scene: Scene, key: str) -> str:
        for number in range(len(bodies(key))):
            await invalid(nth(bodies, number))(scene, f"{key}-{number}")
        return "each rejected invalid_message, dead letter"

    return meet


def nth(bodies: Callable[[str], Sequence[bytes]], number: int) -> Callable[[str], bytes]:
    return lambda key: bodies(key)[number]


async def stale_version(scene: Scene, key: str) -> str:
    await scene.accepted(await scene.send(key, alice(key)))
    await scene.accepted(await scene.send(key, renamed(key, "Two"), "RenameUser"))
    late = await scene.send(key, renamed(key, "Late"), "RenameUser", headers={"expected-version": 1})
    await scene.rejected(late, "version_conflict")
    assert await scene.events_of(key) == 2
    return "rejected version_conflict, no event"


async def another_body_under_one_id(scene: Scene, key: str) -> str:
    first = await scene.send(key, alice(key))
    await scene.accepted(first)
    await scene.send(key, alice(key, name="Other"), message_id=first, correlation_id=f"other-{first}")
    await scene.rejected(f"other-{first}", "idempotency_conflict")
    await scene.send(key, alice(key), message_id=first, correlation_id=f"again-{first}")
    await scene.accepted(f"again-{first}")
    assert await scene.events_of(key) == 1
    return "rejected idempotency_conflict; the first stays"


CASES = (
    Case(
        41,
        "unknown type",
        "PromoteUser",
        "rejected_unknown_type_dead_letter",
        with_properties("unknown_type", "PromoteUser"),
    ),
    Case(
        42,
        "unknown schema-version",
        "header 99",
        "rejected_unsupported_version_dead_letter",
        with_properties("unsupported_version", headers={"schema-version": 99}),
    ),
    Case(43, "extra field", "admin: true", REJECTED, invalid(lambda key: alice(key, admin=True))),
    Case(
        44,
        "wrong types",
        "7, null, true, [], {} as name",
        REJECTED,
        each_invalid(lambda key: [alice(key, name=value) for value in WRONG_TYPES]),
    ),
    Case(
        45,
        "empty or over-long name",
        "0 and 201 characters",
        REJECTED,
        each_invalid(lambda key: [alice(key, name=name) for name in ("", "x" * 201)]),
    ),
    Case(
        46,
        "bad user_id",
        "empty, space, 65, slash, NUL…",
        REJECTED,
        each_invalid(lambda key: [alice(bad, email="a@example.com") for bad in ("", "al ice", "a" * 65, "a/b", "*")]),
    ),
    Case(47, "stale expected-version", "1 at version 2", "rejected_version_conflict", stale_version),
    Case(48, "one id, another body", "name differs", "rejected_idempotency_conflict", another_body_under_one_id),
    Case(
        49,
        "no e-mail address",
        "no @, spaces, 320 characters",
        REJECTED,
        each_invalid(
            lambda key: [alice(key, email=bad) for bad in ("alice", "a b@example.com", "a" * 307 + "@example.com.x")]
        ),
    ),
    Case(50, "body of 1 MB", "long name", REJECTED, invalid(lambda key: alice(key, name=ONE_MEGABYTE))),
)
