"""One index entry for each word of a user, followed by the id, which makes every entry a place where a page can end."""

from pymongo import ASCENDING, IndexModel

WORDS = [("words", ASCENDING), ("_id", ASCENDING)]

INDEXES = (IndexModel(WORDS, name="words"),)
