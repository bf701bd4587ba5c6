"""What tells a repeated command from another one under the same `message_id`."""

import hashlib
import json
from typing import Any

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_NULL = "null"
_QUOTES_OF_A_PAIR = 4


def content_hash(type_: str, schema_version: int, expected_version: int | None, document: dict[str, Any]) -> bytes:
    """Over the body as it was sent, but for white space and the order of keys; not over the validated command, whose
    defaults may grow with the contract while a message waits. Headers that don't change the meaning don't count.

    The inbox keeps it: the same content must have the same hash for ever.
    """
    canonical = _of_plain_texts(type_, schema_version, expected_version, document)
    if canonical is None:
        canonical = _CANONICAL.encode([type_, schema_version, expected_version, document])
    return hashlib.sha256(canonical.encode()).digest()


def _of_plain_texts(
    type_: str, schema_version: int, expected_version: int | None, document: dict[str, Any]
) -> str | None:
    """The same as the encoder's, at a third of its cost, where nothing but texts without escapes is in the document;
    None where there is more.
    """
    pairs = []
    for key in sorted(document):
        value = document[key]
        if type(value) is not str:
            return None
        pairs.append(f'"{key}":"{value}"')
    texts = ",".join(pairs)
    if not texts.isascii() or not texts.isprintable() or "\\" in texts:
        return None
    if texts.count('"') != _QUOTES_OF_A_PAIR * len(pairs):
        return None
    expected = _NULL if expected_version is None else expected_version
    return f'["{type_}",{schema_version},{expected},{{{texts}}}]'
