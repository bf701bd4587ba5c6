"""Reads ordinary JSON at the speed of C, and leaves what is out of the ordinary to the codec's own decoder."""

from math import isinf
from typing import Any

from pydantic_core import from_json


def read_ordinary(body: bytes, *, max_depth: int, largest: int) -> dict[str, Any] | None:
    """The JSON object, if beyond doubt every rule of `decode_json` is kept; None when somebody has to look closer.

    The parser keeps the last of two values with the same key. But each key's colon comes after a quote or white space,
    so a body with no more of these than there are keys in the document has none twice. Texts may hold them too: then
    there is doubt. So there is with an escape, which may make a NUL or half a character. `largest` is the integer.
    """
    if (b"\\" in body and b"\\u" in body) or b"\n" in body or b"\t" in body or b"\r" in body:
        return None
    try:
        document = from_json(body, allow_inf_nan=False, cache_strings="keys")
    except ValueError:
        return None
    if type(document) is not dict:
        return None
    keys = body.count(b'":')
    if b" " in body:
        keys += body.count(b" :")
    level: list[Any] = [document]
    for _ in range(max_depth):
        below: list[Any] = []
        for container in level:
            if type(container) is dict:
                keys -= len(container)
                values: Any = container.values()
            else:
                values = container
            for value in values:
                kind = type(value)
                if kind is str:
                    continue
                if kind is dict or kind is list:
                    below.append(value)
                elif (kind is int and not ~largest <= value <= largest) or (kind is float and isinf(value)):
                    return None
        if not below:
            return None if keys else document
        level = below
    return None
