"""How fresh an asker wants the answer: the headers `consistency-token`, `max-staleness-ms` and `max-wait-ms`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.contracts.consistency_token import ConsistencyToken, InvalidTokenError, parse_tokens

TOKEN_HEADER = "consistency-token"  # noqa: S105
MAX_WAIT_HEADER = "max-wait-ms"
MAX_STALENESS_HEADER = "max-staleness-ms"
DEFAULT_WAIT_SECONDS = 1.0
LONGEST_WAIT_MS = 30_000
LARGEST_STALENESS_MS = 10**9


class InvalidDemandError(ValueError):
    """A header can't be read; the message names it."""


@dataclass(frozen=True, slots=True)
class Demand:
    """`tokens` must be visible in the answer, and the read model be at most `max_staleness` seconds behind; it may take
    `max_wait` seconds. `waits`: the asker named that time himself.
    """

    tokens: tuple[ConsistencyToken, ...] = ()
    max_wait: float = DEFAULT_WAIT_SECONDS
    waits: bool = False
    max_staleness: float | None = None


ANY_STATE = Demand()


def read_demand(headers: Mapping[str, Any]) -> Demand:
    """A wait longer than 30 s is cut to that. Raises InvalidDemandError."""
    token, wait = headers.get(TOKEN_HEADER), headers.get(MAX_WAIT_HEADER)
    staleness = headers.get(MAX_STALENESS_HEADER)
    if token is None and wait is None and staleness is None:
        return ANY_STATE
    return Demand(
        _tokens(token),
        DEFAULT_WAIT_SECONDS if wait is None else _seconds(MAX_WAIT_HEADER, wait, LONGEST_WAIT_MS),
        waits=wait is not None,
        max_staleness=None if staleness is None else _seconds(MAX_STALENESS_HEADER, staleness, LARGEST_STALENESS_MS),
    )


def _tokens(header: object) -> tuple[ConsistencyToken, ...]:
    if header is None:
        return ()
    if not isinstance(header, str):
        raise InvalidDemandError(f"{TOKEN_HEADER}: must be text")
    try:
        return parse_tokens(header)
    except InvalidTokenError as error:
        raise InvalidDemandError(f"{TOKEN_HEADER}: {error}") from error


def _seconds(name: str, header: object, most: int) -> float:
    if isinstance(header, str) and header.isascii() and header.isdigit() and len(header) < 10:
        header = int(header)
    if not isinstance(header, int) or isinstance(header, bool) or header < 0:
        raise InvalidDemandError(f"{name}: must be a whole number of milliseconds, 0 or more")
    return min(header, most) / 1000
