"""28–40: bodies that are no JSON, or JSON that stores and parsers disagree about."""

from collections.abc import Callable

from tests.hostile.case import Case, Meet
from tests.hostile.scene import Scene
from tests.hostile.user_bodies import alice

REJECTED = "rejected_invalid_message_dead_letter"


def invalid(body: Callable[[str], bytes]) -> Meet:
    """`body` makes it from the case's user id."""

    async def meet(scene: Scene, key: str) -> str:
        command_id = await scene.send(key, body(key))
        await scene.rejected(command_id, "invalid_message")
        await scene.buried(key, "invalid_message")
        assert await scene.events_of(key) == 0
        return "rejected invalid_message, dead letter"

    return meet


def named(name: bytes) -> Callable[[str], bytes]:
    """A CreateUser with this as the raw JSON of its name."""
    return lambda key: alice(key).replace(b'"Good"', name)


CASES = (
    Case(28, "empty body", "0 bytes", REJECTED, invalid(lambda key: b"")),
    Case(29, "trailing bytes", "{…} x", REJECTED, invalid(lambda key: alice(key) + b" x")),
    Case(30, "Latin-1", "E9 in the name", REJECTED, invalid(named(b'"Zo\xe9"'))),
    Case(31, "byte order mark", "EF BB BF {…}", REJECTED, invalid(lambda key: b"\xef\xbb\xbf" + alice(key))),
    Case(32, "UTF-16", "whole body", REJECTED, invalid(lambda key: alice(key).decode().encode("utf-16"))),
    Case(33, "NaN", "as the name", REJECTED, invalid(named(b"NaN"))),
    Case(34, "1e400", "as the name", REJECTED, invalid(named(b"1e400"))),
    Case(35, "lone surrogate", r"\ud800 in the name", REJECTED, invalid(named(rb'"\ud800"'))),
    Case(36, "100,000 levels", "arrays as the name", REJECTED, invalid(named(b"[" * 100_000 + b"]" * 100_000))),
    Case(37, "integer of 5,000 digits", "as the name", REJECTED, invalid(named(b"9" * 5000))),
    Case(38, "2^64", "as the name", REJECTED, invalid(named(b"18446744073709551616"))),
    Case(39, "duplicate keys", "name twice", REJECTED, invalid(named(b'"A","name":"B"'))),
    Case(40, "NUL inside a string", r"\u0000 in the name", REJECTED, invalid(named(rb'"a\u0000b"'))),
)
