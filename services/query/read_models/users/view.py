"""A user's document as queries show it."""

from typing import Any

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
