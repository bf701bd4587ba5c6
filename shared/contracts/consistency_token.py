"""`user/alice@3`: a claim to see at least version 3 of that aggregate (read your writes)."""

import re
from dataclasses import dataclass

_PATTERN = re.compile(r"(?P<type>[a-z][a-z0-9_]{0,63})/(?P<id>[A-Za-z0-9._-]{1,64})@(?P<version>[0-9]{1,18})", re.ASCII)
MAX_TOKENS = 100


class InvalidTokenError(ValueError):
    """The header `consistency-token` is not made of tokens."""


@dataclass(frozen=True, slots=True)
class ConsistencyToken:
    aggregate_type: str
    aggregate_id: str
    version: int

    def __str__(self) -> str:
        return consistency_token(self.aggregate_type, self.aggregate_id, self.version)


def consistency_token(aggregate_type: str, aggregate_id: str, version: int) -> str:
    """The text of a token."""
    return f"{aggregate_type}/{aggregate_id}@{version}"


def parse_tokens(header: str) -> tuple[ConsistencyToken, ...]:
    """One token, or several separated by commas; for an aggregate named twice the higher version counts.

    Raises InvalidTokenError.
    """
    highest: dict[tuple[str, str], int] = {}
    texts = [text.strip() for text in header.split(",")]
    if len(texts) > MAX_TOKENS:
        raise InvalidTokenError(f"more than {MAX_TOKENS} consistency tokens")
    for text in texts:
        match = _PATTERN.fullmatch(text)
        if match is None:
            raise InvalidTokenError("a consistency token looks like user/alice@3")
        key = (match["type"], match["id"])
        highest[key] = max(highest.get(key, 0), int(match["version"]))
    return tuple(ConsistencyToken(*key, version) for key, version in highest.items())
