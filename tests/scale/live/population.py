"""A population of users, the same for the same seed, written as the projections write it."""

import asyncio
import os
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import accumulate
from multiprocessing import get_context
from typing import Any
from uuid import UUID

from pymongo import MongoClient
from pymongo.collection import Collection

from services.query.bootstrap import READ_MODELS
from services.query.domain_event import DomainEvent
from services.query.mongo.client import DEFAULT_DATABASE
from services.query.mongo.collections import FIRST_GENERATION
from services.query.read_model import FoldedModel
from shared.contracts.cloud_event import CloudEvent
from shared.contracts.events import UserCreated

FIRST_NAMES, LAST_NAMES = 2_000, 20_000
PIECE = 10_000
SINCE = datetime(2020, 1, 1, tzinfo=UTC)
_ONSETS = ("b", "br", "ch", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "sh", "sm", "st", "t", "v", "w")
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ou")
_ENDINGS = ("", "n", "r", "s", "th", "nd", "son", "ley")


def user_id(number: int) -> str:
    return f"user-{number:07}"


class Population:
    """Names as people have them: few are frequent, most are rare (Zipf)."""

    def __init__(self, seed: int = 1) -> None:
        chance = random.Random(seed)
        self.first_names = _names(chance, FIRST_NAMES, 2)
        self.last_names = _names(chance, LAST_NAMES, 3)
        self._first_weights = list(accumulate(1 / rank for rank in range(2, FIRST_NAMES + 2)))
        self._last_weights = list(accumulate(1 / rank for rank in range(20, LAST_NAMES + 20)))

    def name(self, chance: random.Random) -> tuple[str, str]:
        first = chance.choices(self.first_names, cum_weights=self._first_weights)[0]
        return first, chance.choices(self.last_names, cum_weights=self._last_weights)[0]

    def sign_ups(self, numbers: range) -> Iterator[DomainEvent]:
        """`UserCreated` of these users, ten seconds apart; the same for the same range."""
        chance = random.Random(numbers.start)
        for number in numbers:
            first, last = self.name(chance)
            id_ = user_id(number)
            email = f"{first}.{last}{number % 1000}@{chance.choice(('example.com', 'example.org', 'mail.example'))}"
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


async def populate(mongo_url: str, models: Sequence[FoldedModel], count: int) -> None:
    """Writes `count` users into the first generation of each model, as its projection makes them; its indexes are made
    afterwards. Nobody else may use these models meanwhile.
    """
    with MongoClient[dict[str, Any]](mongo_url) as client:
        for model in models:
            _collection(client, model).drop_indexes()
        pieces = [range(start, min(start + PIECE, count)) for start in range(0, count, PIECE)]
        write = partial(_write_piece, mongo_url, [model.name for model in models])
        with ProcessPoolExecutor(len(os.sched_getaffinity(0)), get_context("spawn")) as pool:
            loop = asyncio.get_running_loop()
            await asyncio.gather(*(loop.run_in_executor(pool, write, piece) for piece in pieces))
        for model in models:
            await asyncio.to_thread(_collection(client, model).create_indexes, list(model.indexes))


def _write_piece(mongo_url: str, names: Sequence[str], numbers: range) -> None:
    events = list(Population().sign_ups(numbers))
    with MongoClient[dict[str, Any]](mongo_url) as client:
        for model in READ_MODELS:
            if model.name not in names or not isinstance(model, FoldedModel):
                continue
            documents = [
                {**(model.project(None, event) or {}), "_id": event.aggregate_id, "version": event.version}
                for event in events
            ]
            _collection(client, model).insert_many(documents, ordered=False)


def _collection(client: MongoClient[dict[str, Any]], model: FoldedModel) -> Collection[dict[str, Any]]:
    return client.get_default_database(DEFAULT_DATABASE)[f"{model.name}.g{FIRST_GENERATION}"]


def _names(chance: random.Random, count: int, syllables: int) -> Sequence[str]:
    names: dict[str, None] = {}
    while len(names) < count:
        parts = [chance.choice(_ONSETS) + chance.choice(_VOWELS) for _ in range(syllables)]
        names["".join(parts) + chance.choice(_ENDINGS)] = None
    return list(names)
