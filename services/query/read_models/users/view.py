"""A user's document as queries show it."""

from datetime import datetime
from typing import Any

from pydantic_core import to_json

from services.query.read_model import Document
from shared.contracts.answer import Answered, AnswerError, AsOf, ErrorCode, Failed

NOT_FOUND = Failed(error=AnswerError(code=ErrorCode.USER_NOT_FOUND, message="there is no such user"))


def is_visible(document: Document | None) -> bool:
    return document is not None and "status" in document


def user_view(document: Document) -> dict[str, Any]:
    """The fields of a `UserView`."""
    return {
        "user_id": document["_id"],
        "name": document["name"],
        "email": document["email"],
        "status": document["status"],
        "created_at": document["created_at"],
        "updated_at": document["updated_at"],
        "version": document["version"],
    }


def user_answer(document: Document | None) -> Answered | Failed:
    """The user, or `user_not_found`."""
    if document is None or not is_visible(document):
        return NOT_FOUND
    as_of = AsOf(version=document["version"], time=document["updated_at"])
    return Answered(data=user_view(document), as_of=as_of)


def user_answer_json(document: Document | None, complete_until: datetime | None) -> bytes:
    """`user_answer` with `complete_until`, as JSON, made at once: a third of the time that its models take."""
    if document is None or not is_visible(document):
        return NOT_FOUND.model_dump_json().encode()
    as_of = {"version": document["version"], "time": document["updated_at"], "complete_until": complete_until}
    return to_json({"status": "ok", "data": user_view(document), "as_of": as_of})
