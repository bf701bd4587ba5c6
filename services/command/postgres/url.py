"""The setting that says where PostgreSQL is."""

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, SecretStr
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

DRIVER = "postgresql+asyncpg"  # a bare postgresql:// would be another driver's


def _is_postgres(url: SecretStr) -> SecretStr:
    try:
        parts = make_url(url.get_secret_value())
    except (ArgumentError, ValueError):
        parts = None
    if parts is None or parts.drivername != DRIVER or not parts.database:
        raise ValueError(f"must look like {DRIVER}://user@host:5432/database")
    return url


PostgresUrl: TypeAlias = Annotated[SecretStr, AfterValidator(_is_postgres)]
