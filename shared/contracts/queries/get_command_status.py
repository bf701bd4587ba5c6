from typing import ClassVar

from shared.contracts.base import Query
from shared.contracts.fields import CommandId


class GetCommandStatus(Query):
    """What became of a command. Data: a `CommandStatusView`; a command nobody has seen is `unknown`, not an error."""

    type: ClassVar[str] = "GetCommandStatus"

    command_id: CommandId
