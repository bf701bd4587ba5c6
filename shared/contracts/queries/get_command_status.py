from typing import ClassVar

from shared.contracts.base import Query
from shared.contracts.fields import CommandId
from shared.contracts.views import CommandStatusView


class GetCommandStatus(Query):
    """What became of a command. Data: a `CommandStatusView`; a command nobody has seen is `unknown`, not an error."""

    type: ClassVar[str] = "GetCommandStatus"
    view: ClassVar = CommandStatusView

    command_id: CommandId
