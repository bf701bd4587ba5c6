"""How far along the log each read model has come, for an operator to see."""

from pymongo import UpdateOne

from services.query.mongo.collections import Collections


class ReachedPositions:
    """The largest position of an event that was applied, or was there already; kept in the catalogue as `reached`.

    That all before it are applied it does not say: events of different aggregates may overtake each other, and one
    that was lost is found by `verify`.
    """

    def __init__(self, collections: Collections) -> None:
        self._collections = collections
        self._reached: dict[str, int] = {}
        self._unsaved: set[str] = set()

    def note(self, model: str, position: int) -> None:
        if position > self._reached.get(model, 0):
            self._reached[model] = position
            self._unsaved.add(model)

    async def save(self) -> None:
        """Writes what is new. Raises PyMongoError; it is then written the next time."""
        unsaved, self._unsaved = self._unsaved, set()
        if not unsaved:
            return
        try:
            await self._collections.catalogue.bulk_write(
                [
                    UpdateOne({"_id": model}, {"$max": {"reached": self._reached[model]}}, upsert=True)
                    for model in sorted(unsaved)
                ],
                ordered=False,
            )
        except BaseException:
            self._unsaved |= unsaved
            raise
