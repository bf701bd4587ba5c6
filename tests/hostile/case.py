"""One bad input: how it is made, and what must become of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from tests.hostile.scene import Scene

Meet: TypeAlias = Callable[[Scene, str], Awaitable[str]]
"""Sends the bad input under a key of its own (user id, routing key) and gives the fate that it met, in a few words.

Raises AssertionError or TimeoutError when that is not the one it must meet.
"""


@dataclass(frozen=True)
class Case:
    """`fate` names the outcome as a test's name does. `breaks_servers` needs a stack of the run's own."""

    number: int
    name: str
    made: str
    fate: str
    meet: Meet
    breaks_servers: bool = False
