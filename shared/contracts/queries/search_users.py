from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from shared.contracts.base import Query
from shared.contracts.fields import storable
from shared.contracts.queries.paging import Cursor, PageSize
from shared.contracts.views import UserPage


def _has_a_word(text: str) -> str:
    if not any(map(str.isalnum, text)):
        raise PydanticCustomError("no_word", "must hold a letter or a digit")
    return text


class SearchUsers(Query):
    """Users by the beginnings of words in name or e-mail address. Data: a `UserPage`; error `bad_cursor`.

    Without regard to case and accents; of several words each must be found. Order: for one word, the first of a user's
    words that was found, then the id; for several, any, but the same on every page. `cursor` is the `next_cursor` of
    the page before, and goes with the same words.
    """

    type: ClassVar[str] = "SearchUsers"
    view: ClassVar = UserPage

    text: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(storable), AfterValidator(_has_a_word)]
    limit: PageSize = 50
    cursor: Cursor | None = None
