"""The versions that a client has written, so that what it asks next shows them (read your writes)."""

from collections import OrderedDict
from dataclasses import dataclass, field

from shared.contracts.consistency_token import MAX_TOKENS, ConsistencyToken


@dataclass(slots=True)
class _Write:
    version: int
    shown_by: set[str] = field(default_factory=set)
    """The query types that have answered since: their read model has this version, and need not be told again."""


class SeenVersions:
    """Per aggregate the highest version seen, for the `limit` aggregates written last."""

    def __init__(self, limit: int = MAX_TOKENS) -> None:
        self._limit = limit
        self._writes: OrderedDict[tuple[str, str], _Write] = OrderedDict()

    def saw(self, token: ConsistencyToken) -> None:
        """Remembers a version from an outcome; a lower one than known changes nothing."""
        key = (token.aggregate_type, token.aggregate_id)
        known = self._writes.get(key)
        if known is not None and known.version >= token.version:
            return
        self._writes[key] = _Write(token.version)
        self._writes.move_to_end(key)
        if len(self._writes) > self._limit:
            self._writes.popitem(last=False)

    def unshown(self, query_type: str) -> tuple[ConsistencyToken, ...]:
        """What the next query of this type must wait for."""
        return tuple(
            ConsistencyToken(*key, write.version)
            for key, write in self._writes.items()
            if query_type not in write.shown_by
        )

    def shown(self, query_type: str, tokens: tuple[ConsistencyToken, ...]) -> None:
        """A query of this type was answered with these tokens sent along."""
        for token in tokens:
            write = self._writes.get((token.aggregate_type, token.aggregate_id))
            if write is not None and write.version <= token.version:
                write.shown_by.add(query_type)
