"""What a query says of being followed, in its headers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from shared.contracts.live import (
    DEFAULT_LEASE_MS,
    LEASE_HEADER,
    LONGEST_LEASE_MS,
    RESUME_HEADER,
    SHORTEST_LEASE_MS,
    SUBSCRIBE_HEADER,
)

LONGEST_TOKEN = 500


class InvalidLiveRequestError(ValueError):
    """A header can't be read; the message names it."""


@dataclass(frozen=True, slots=True)
class LiveRequest:
    """`lease` is in seconds."""

    lease: float
    resume_token: str | None

    @classmethod
    def read(cls, headers: Mapping[str, Any]) -> Self:
        """A lease out of bounds is brought into them. Raises InvalidLiveRequestError."""
        return cls(_lease(headers.get(LEASE_HEADER, DEFAULT_LEASE_MS)), _token(headers.get(RESUME_HEADER)))


def wants_updates(headers: Mapping[str, Any]) -> bool:
    """Raises InvalidLiveRequestError."""
    wanted = headers.get(SUBSCRIBE_HEADER, False)
    if isinstance(wanted, str):
        wanted = {"true": True, "false": False}.get(wanted.lower())
    if not isinstance(wanted, bool):
        raise InvalidLiveRequestError(f"{SUBSCRIBE_HEADER}: must be true or false")
    return wanted


def _lease(header: object) -> float:
    if isinstance(header, str) and header.isascii() and header.isdigit() and len(header) < 10:
        header = int(header)
    if not isinstance(header, int) or isinstance(header, bool) or header < 0:
        raise InvalidLiveRequestError(f"{LEASE_HEADER}: must be a whole number of milliseconds, 0 or more")
    return min(max(header, SHORTEST_LEASE_MS), LONGEST_LEASE_MS) / 1000


def _token(header: object) -> str | None:
    if header is None:
        return None
    if not isinstance(header, str) or len(header) > LONGEST_TOKEN:
        raise InvalidLiveRequestError(f"{RESUME_HEADER}: must be the token of a message of the same query")
    return header
