"""An answer of a live query for a person, with the time at which it came."""

from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from services.ops.rendering.answer import answer_text, cell
from shared.contracts.answer import Answered, AsOf, Failed
from shared.contracts.views import UserPageUpdate


def update_text(answer: Answered[Any] | Failed) -> RenderableType:
    now = Text(datetime.now(UTC).strftime("%H:%M:%S.%f")[:-3], style="dim")
    if isinstance(answer, Answered) and isinstance(answer.data, UserPageUpdate):
        return Group(now, *_changes(answer.data))
    return Group(now, answer_text(answer))


def _changes(update: UserPageUpdate) -> list[RenderableType]:
    lines: list[RenderableType] = []
    if update.page is not None:
        lines.append(answer_text(Answered(data=update.page, as_of=AsOf())))
    for change in update.changes:
        user = change.user
        if user is None:
            lines.append(Text.assemble((change.user_id, "bold"), "  no longer listed"))
        else:
            status = cell(user.status)
            lines.append(Text.assemble((user.user_id, "bold"), f"@{user.version}  {user.name}  {user.email}  ", status))
    return lines
