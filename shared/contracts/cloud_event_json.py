"""A CloudEvent as JSON, written around data that is JSON already and a position that is not known yet."""

from datetime import datetime
from json.encoder import encode_basestring as quoted
from uuid import UUID

from shared.contracts.cloud_event import SOURCE, subject

_NULL = "null"


def cloud_event_json(
    *,
    id: UUID,  # noqa: A002 - the fields of CloudEvent by their names
    type: str,  # noqa: A002
    time: str,
    aggregatetype: str,
    aggregateid: str,
    aggregateversion: int,
    schemaversion: int,
    correlationid: str | None,
    causationid: UUID | None,
    actor: str | None,
    data: str,
) -> tuple[str, str]:
    """The text of `CloudEvent(…).model_dump_json()` before and after the position; that one costs ten times as much and
    dumps the data a second time.

    `time` is the text that `moment` gives, `data` the JSON text of an object.
    """
    correlation = _NULL if correlationid is None else quoted(correlationid)
    causation = _NULL if causationid is None else f'"{causationid}"'
    before = (
        f'{{"specversion":"1.0","id":"{id}","source":"{SOURCE}","type":{quoted(type)},'
        f'"subject":{quoted(subject(aggregatetype, aggregateid))},"time":"{time}",'
        f'"datacontenttype":"application/json","aggregatetype":{quoted(aggregatetype)},'
        f'"aggregateid":{quoted(aggregateid)},"aggregateversion":{aggregateversion},"schemaversion":{schemaversion},'
        f'"position":'
    )
    actor_ = _NULL if actor is None else quoted(actor)
    return before, f',"correlationid":{correlation},"causationid":{causation},"actor":{actor_},"data":{data}}}'


def moment(time: datetime) -> str:
    """A time of UTC as it stands in an event."""
    return time.isoformat().removesuffix("+00:00") + "Z"
