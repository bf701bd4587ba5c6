"""Where a folded projection writes: a generation of its read model, or two of them at the same time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from services.query.mongo.collections import Collection, Collections, CollectionSource, generation_name
from services.query.projector.parking import Parking
from services.query.read_model import FoldedModel


@dataclass(frozen=True, slots=True)
class Target:
    """A generation, and the aggregates that are parked in it."""

    documents: Collection
    parking: Parking


class Targets(Protocol):
    def now(self) -> Sequence[Target]:
        """The one that answers queries first. All of them are written in one transaction."""
        ...

    async def still(self, used: Sequence[Target]) -> bool:
        """Whether what was written to these was written where it had to be. Raises PyMongoError."""
        ...


class OneTarget:
    """Always the same."""

    def __init__(self, collection: CollectionSource, parking: Parking) -> None:
        self._collection = collection
        self._parking = parking

    def now(self) -> Sequence[Target]:
        return (Target(self._collection(), self._parking),)

    async def still(self, used: Sequence[Target]) -> bool:
        return True


class CataloguedTargets:
    """What the catalogue says: the live generation, and the one beside it while they change places. Their documents are
    those that nobody writes twice but the projection itself.

    Something is acknowledged, or told to whoever waits for it, only where `still` is true after it was written. So what
    was written to the old generation alone was written within `lease` seconds of the change in the catalogue, however
    long this process is stopped at whatever point.
    """

    def __init__(self, collections: Collections, model: FoldedModel, parking: Parking) -> None:
        self._collections = collections
        self._model = model
        self._live_parking = parking

    def now(self) -> Sequence[Target]:
        state = self._collections.generations(self._model.name)
        live = Target(self._collections.unretried(self._model.name, state.live), self._live_parking)
        if state.beside is None:
            return (live,)
        beside = generation_target(self._collections, self._model, state.beside)
        return live, replace(beside, documents=self._collections.unretried(self._model.name, state.beside))

    async def still(self, used: Sequence[Target]) -> bool:
        await self._collections.refresh_when_old()
        return [each.documents.name for each in used] == [each.documents.name for each in self.now()]


def generation_target(collections: Collections, model: FoldedModel, number: int) -> Target:
    """A generation that is not live. What is parked in it is listed as of `users.g2`."""
    name = generation_name(model.name, number)
    return Target(collections.generation(model.name, number), Parking(collections.parked, name, model.aggregate_type))


def generation_targets(collections: Collections, model: FoldedModel, number: int) -> Targets:
    target = generation_target(collections, model, number)
    return OneTarget(lambda: target.documents, target.parking)
