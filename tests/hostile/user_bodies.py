"""Bodies of commands about the user that a case has for itself."""

import json
from typing import Any


def alice(user_id: str, **fields: Any) -> bytes:
    """A CreateUser as it should be, but for `fields`."""
    return json.dumps({"user_id": user_id, "name": "Good", "email": f"{user_id}@example.com"} | fields).encode()


def renamed(user_id: str, name: str) -> bytes:
    return json.dumps({"user_id": user_id, "name": name}).encode()
