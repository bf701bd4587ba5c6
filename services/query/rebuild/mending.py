"""Single documents, mended from the log under the guard of what was found."""

from dataclasses import replace

from pymongo.errors import DuplicateKeyError

from services.query.mongo.collections import Collection, details_of
from services.query.projector.targets import Target
from services.query.rebuild.differences import Difference
from services.query.rebuild.verdict import Wrong


async def mend(target: Target, wrong: Wrong) -> Difference | None:
    """The difference, now repaired; None where the document has changed meanwhile, and is to be looked at again.

    A projector that writes the same document at the same time is not disturbed: its guard is the version, too. Raises
    PyMongoError.
    """
    documents = target.documents if wrong.difference.place == "documents" else details_of(target.documents)
    if await _write(documents, wrong):
        return replace(wrong.difference, repaired=True)
    return None


async def _write(documents: Collection, wrong: Wrong) -> bool:
    expected, found = wrong.expected, wrong.found
    if found is None:
        if expected is None:
            return True
        try:
            await documents.insert_one(expected)
        except DuplicateKeyError:
            return False
        return True
    # A document has a version, which every change of it moves. An entry has none, and never changes.
    guard = {"_id": found["_id"]}
    if wrong.difference.place == "documents":
        guard["version"] = found.get("version")
    if expected is None:
        return (await documents.delete_one(guard)).deleted_count == 1
    return (await documents.replace_one(guard, expected)).matched_count == 1
