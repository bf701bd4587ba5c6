"""The fields that every query which is answered in pages has."""

from typing import Annotated

from pydantic import Field

MAX_PAGE = 500

PageSize = Annotated[int, Field(ge=1, le=MAX_PAGE)]
"""Items on a page: 1–500."""

Cursor = Annotated[str, Field(min_length=1, max_length=2048)]
"""The `next_cursor` of the page before, as it was given."""
