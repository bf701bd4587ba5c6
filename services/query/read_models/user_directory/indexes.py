"""One index entry for each key of a user, followed by the id, which makes every entry a place where a page can end."""

from pymongo import ASCENDING, IndexModel

KEYS = {field: [(field, ASCENDING), ("_id", ASCENDING)] for field in ("words", "pairs")}

INDEXES = tuple(IndexModel(keys, name=field) for field, keys in KEYS.items())
