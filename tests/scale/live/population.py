"""A population of users, the same for the same seed, written as the projections write it."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate, islice
from uuid import UUID

from services.query.domain_event import DomainEvent
from services.query.mongo.collections import Collections
from services.query.read_model import FoldedModel
from shared.contracts.cloud_event import CloudEvent
from shared.contracts.events import UserCreated

FIRST_NAMES, LAST_NAMES = 2_000, 20_000
BATCH = 2_000
SINCE = datetime(2020, 1, 1, tzinfo=UTC)
_ONSETS = ("b", "br", "ch", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "sh", "sm", "st", "t", "v", "w")
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ou")
_ENDINGS = ("", "n", "r", "s", "th", "nd", "son", "ley")


def user_id(number: int) -> str:
    return f"user-{number:07}"


class Population:
    """Names as people have them: few are frequent, most are rare (Zipf)."""

    def __init__(self, seed: int = 1) -> None:
        self._rng = random.Random(seed)
        self.first_names = self._names(FIRST_NAMES, 2)
        self.last_names = self._names(LAST_NAMES, 3)
        self._first_weights = list(accumulate(1 / rank for rank in range(2, FIRST_NAMES + 2)))
        self._last_weights = list(accumulate(1 / rank for rank in range(20, LAST_NAMES + 20)))

    def name(self) -> tuple[str, str]:
        first = self._rng.choices(self.first_names, cum_weights=self._first_weights)[0]
        return first, self._rng.choices(self.last_names, cum_weights=self._last_weights)[0]

    def sign_ups(self, count: int) -> Iterator[DomainEvent]:
        """`UserCreated` of user 0, 1, 2 …, a few seconds apart."""
        for number in range(count):
            first, last = self.name()
            id_ = user_id(number)
            email = f"{first}.{last}{number % 1000}@{self._rng.choice(('example.com', 'example.org', 'mail.example'))}"
            yield DomainEvent(
                CloudEvent.model_construct(
                    id=UUID(int=number),
                    type="UserCreated",
                    time=SINCE + timedelta(seconds=number * 10),
                    aggregatetype="user",
                    aggregateid=id_,
                    aggregateversion=1,
                    position=number + 1,
                    actor=None,
                    causationid=None,
                    correlationid=None,
                ),
                UserCreated.model_construct(user_id=id_, name=f"{first.title()} {last.title()}", email=email),
            )

    def _names(self, count: int, syllables: int) -> Sequence[str]:
        names: dict[str, None] = {}
        while len(names) < count:
            parts = [self._rng.choice(_ONSETS) + self._rng.choice(_VOWELS) for _ in range(syllables)]
            names["".join(parts) + self._rng.choice(_ENDINGS)] = None
        return list(names)


async def populate(collections: Collections, models: Sequence[FoldedModel], count: int, seed: int = 1) -> None:
    """Writes `count` users into the live generation of each model, as its projection makes them."""
    sign_ups = Population(seed).sign_ups(count)
    while batch := list(islice(sign_ups, BATCH)):
        for model in models:
            documents = [
                {**model.project(None, event), "_id": event.aggregate_id, "version": event.version} for event in batch
            ]
            await collections.live(model.name).insert_many(documents, ordered=False)
