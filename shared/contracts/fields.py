"""The types of the fields that messages share, each with all of its rules."""

import re
from datetime import UTC, date, datetime
from typing import Annotated
from uuid import UUID

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

MAX_EMAIL_LENGTH = 254  # RFC 5321, 4.5.3.1.3: a path of 256 octets, less its angle brackets


def storable(text: str) -> str:
    """Refuses what PostgreSQL (NUL) or UTF-8 (a lone surrogate) can't hold."""
    if "\x00" in text:
        raise PydanticCustomError("nul_character", "must not contain a NUL character")
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise PydanticCustomError("lone_surrogate", "must not contain a lone surrogate")
    return text


def _email_address(text: str) -> str:
    """Checks the syntax (RFC 5322 without comments and quoted local parts) and keeps the text as it was given."""
    if is_plain_address(text):
        return text
    try:
        validate_email(text, check_deliverability=False)
    except EmailNotValidError as error:
        raise PydanticCustomError("email", "is not an e-mail address: {why}", {"why": str(error)}) from error
    return text


def is_plain_address(text: str) -> bool:
    """Whether it is such an address as nearly all are, which needs no closer look: that takes thirty times as long.

    Never true for what `validate_email` refuses. Short enough that no part can be too long; no two hyphens in a row,
    where internationalised names hide.
    """
    if len(text) > SHORT_ADDRESS or _PLAIN_ADDRESS.fullmatch(text) is None:
        return False
    return text.rpartition(".")[2].lower() not in SPECIAL_USE_DOMAIN_NAMES


SHORT_ADDRESS = 64
_PLAIN_ADDRESS = re.compile(
    r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@(?:[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*\.)+[A-Za-z]{2,}", re.ASCII
)


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "must not be blank")
    return text


UserId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
"""1–64 characters from `A–Z a–z 0–9 . _ -`."""

Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(storable), AfterValidator(_not_blank)]
"""1–200 characters, not only white space."""

Email = Annotated[
    str,
    Field(min_length=3, max_length=MAX_EMAIL_LENGTH),
    AfterValidator(storable),
    AfterValidator(_email_address),
]
"""An e-mail address of at most 254 characters; kept as given, unique without regard to case (see `email_key`)."""

Reason = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(storable)]
"""1–500 characters."""

CommandId = Annotated[UUID, Field(strict=False)]
"""A UUID, as text in JSON."""

SubscriptionId = Annotated[UUID, Field(strict=False)]
"""A UUID, as text in JSON."""


def _utc_day(value: object) -> object:
    """Reads `2026-11-22`, or a time with its offset, of which it takes the day in UTC."""
    if not isinstance(value, str):
        return value
    try:
        if _DAY.fullmatch(value):
            return date.fromisoformat(value)
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC).date()
    except (ValueError, OverflowError):
        pass
    raise PydanticCustomError("day", "must be a day such as 2026-11-22, or a time with its offset from UTC")


_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

UtcDay = Annotated[date, BeforeValidator(_utc_day)]
"""A day of UTC: as text, `2026-11-22`, or a time within it."""


def email_key(email: str) -> str:
    """The form of an address under which it is unique: `Alice@Example.com` and `alice@example.COM` are one."""
    return email.casefold()
