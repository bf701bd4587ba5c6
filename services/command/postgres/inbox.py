"""What has become of each command: the memory that makes a repetition harmless."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Text, any_, bindparam, cast, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from services.command.postgres.reading import Reading
from services.command.postgres.row_insert import Addition, RowInsert
from services.command.postgres.tables import inbox

COLUMNS = ("command_id", "content_hash", "outcome")
KNOWN = select(inbox.c.command_id, inbox.c.content_hash, cast(inbox.c.outcome, Text)).where(
    inbox.c.command_id == any_(bindparam("command_ids", type_=ARRAY(Uuid)))
)
ADD = RowInsert(inbox, COLUMNS, now=["processed_at"])


class Processed(NamedTuple):
    """`outcome` is the JSON text that was, or would have been, replied."""

    content_hash: bytes
    outcome: str


def reading(command_ids: Collection[UUID]) -> Reading:
    """What `known` takes."""
    return Reading(KNOWN, {"command_ids": list(command_ids)})


def known(rows: Iterable[Sequence[Any]]) -> dict[UUID, Processed]:
    """Those of the commands that have been processed before."""
    return {command_id: Processed(content_hash, outcome) for command_id, content_hash, outcome in rows}


def addition(processed: Mapping[UUID, Processed]) -> Addition:
    """There must be one. Inserting raises IntegrityError when another process has processed one of them meanwhile."""
    return ADD.of((command_id, *processed[command_id]) for command_id in sorted(processed))
