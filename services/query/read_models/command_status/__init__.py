"""What became of each command: for `GetCommandStatus`."""

from services.query.read_model import RecordedModel
from services.query.read_models.command_status.record import record, supersedes
from shared.messaging.topology import EVENTS

COMMAND_STATUS = RecordedModel(
    name="command_status",
    record=record,
    supersedes=supersedes,
    linger_seconds=0.1,
    retired_sources=((EVENTS, "#"),),
)
