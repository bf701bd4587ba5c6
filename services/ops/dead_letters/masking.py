"""What a message carried, without its values: they may be personal data."""

import base64
from collections.abc import Mapping
from typing import Any

from shared.messaging.codec import UndecodableBodyError, decode_json

MASK = "***"


def masked(value: Any) -> Any:
    """The same keys and the same number of elements; every value is `***`."""
    match value:
        case Mapping():
            return {key: masked(inner) for key, inner in value.items()}
        case list():
            return [masked(inner) for inner in value]
        case None:
            return None
        case _:
            return MASK


def shown_body(body: bytes, *, full: bool) -> Any:
    """The body's JSON; of what is none, `{"bytes": its length, "why": …}`, to which `full` adds `text` or `base64`."""
    try:
        document = decode_json(body)
    except UndecodableBodyError as error:
        told: dict[str, Any] = {"bytes": len(body), "why": error.reason}
        return {**told, **_raw(body)} if full else told
    return document if full else masked(document)


def _raw(body: bytes) -> dict[str, str]:
    try:
        return {"text": body.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}
