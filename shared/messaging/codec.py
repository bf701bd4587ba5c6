"""JSON bodies, strictly: what is read here can be stored anywhere and means the same to every reader."""

import json
import math
import re
from typing import Any, Final, NoReturn

from shared.messaging.quick_json import read_ordinary

DEFAULT_MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 32
MAX_INTEGER_DIGITS: Final = 400

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_BOM = b"\xef\xbb\xbf"
_SUSPICIOUS_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


class UndecodableBodyError(ValueError):
    """The body can never be read; `reason` says why, in a few words that hold nothing of the body itself."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def decode_json(body: bytes, *, max_bytes: int = DEFAULT_MAX_BYTES, integer_bits: int = 64) -> dict[str, Any]:
    """Reads a JSON object.

    Refuses what parsers disagree about or what no store takes: other encodings than UTF-8, a byte order mark, duplicate
    keys, NaN and infinities (1e400 too), lone surrogates, NUL in a string, more than MAX_DEPTH levels, and integers
    that don't fit a signed number of `integer_bits` bits.

    Raises UndecodableBodyError.
    """
    if len(body) > max_bytes:
        raise UndecodableBodyError(f"body of {len(body)} bytes is over the limit of {max_bytes}")
    if not body:
        raise UndecodableBodyError("body is empty")
    if body.startswith(_BOM):
        raise UndecodableBodyError("body starts with a byte order mark")
    ordinary = read_ordinary(body, max_depth=MAX_DEPTH, largest=(1 << integer_bits - 1) - 1)
    return _read_closely(body, integer_bits) if ordinary is None else ordinary


def encode_json(document: object) -> bytes:
    """Writes compact UTF-8 JSON.

    Raises ValueError for NaN and infinities and for lone surrogates, TypeError for anything JSON lacks.
    """
    return _ENCODER.encode(document).encode("utf-8")


def _read_closely(body: bytes, integer_bits: int) -> dict[str, Any]:
    """Tells what is wrong, if anything is."""
    try:
        document = _DECODER.decode(body.decode("utf-8"))
    except UndecodableBodyError:
        raise
    except UnicodeDecodeError as error:
        raise UndecodableBodyError("body is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise UndecodableBodyError(f"body is not JSON (at character {error.pos})") from error
    except RecursionError as error:
        raise UndecodableBodyError(f"body is nested more than {MAX_DEPTH} levels deep") from error
    if not isinstance(document, dict):
        raise UndecodableBodyError("body is not a JSON object")
    _check_values(document, body, integer_bits)
    return document


def _check_values(document: dict[str, Any], body: bytes, integer_bits: int) -> None:
    """Walks the document once; looks at strings only when an escape in the body could have made a bad one."""
    check_strings = _SUSPICIOUS_ESCAPE.search(body) is not None
    smallest, largest = -(1 << integer_bits - 1), (1 << integer_bits - 1) - 1
    level: list[Any] = [document]
    depth = 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise UndecodableBodyError(f"body is nested more than {MAX_DEPTH} levels deep")
        below: list[Any] = []
        for container in level:
            if isinstance(container, dict):
                if check_strings:
                    for key in container:
                        _check_string(key)
                values: Any = container.values()
            else:
                values = container
            for value in values:
                kind = type(value)
                if kind is str:
                    if check_strings:
                        _check_string(value)
                elif kind is dict or kind is list:
                    below.append(value)
                elif kind is int and not smallest <= value <= largest:
                    raise UndecodableBodyError(f"an integer does not fit {integer_bits} bits")
        level = below


def _check_string(text: str) -> None:
    if "\0" in text:
        raise UndecodableBodyError("a string holds a NUL")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UndecodableBodyError("a string holds a lone surrogate") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise UndecodableBodyError("an object has the same key twice")
    return document


def _float(literal: str) -> float:
    number = float(literal)
    if math.isinf(number):
        raise UndecodableBodyError("a number is too large")
    return number


def _integer(literal: str) -> int:
    # int() of thousands of digits is quadratic, and refused by Python above 4,300.
    if len(literal) > MAX_INTEGER_DIGITS:
        raise UndecodableBodyError(f"an integer has more than {MAX_INTEGER_DIGITS} digits")
    return int(literal)


def _constant(name: str) -> NoReturn:
    raise UndecodableBodyError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_float, parse_int=_integer, parse_constant=_constant, strict=True
)
