"""Does what the story says, and shows each step as the command line would."""

import shlex
from typing import TypeVar
from uuid import UUID

from pydantic import BaseModel
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from services.ops.rendering.answer import answer_text
from services.ops.rendering.outcome import outcome_text
from services.ops.terminal import UNFOLDED
from shared.client import CqrsClient
from shared.client_messages import Question
from shared.contracts.answer import Answered, Failed
from shared.contracts.base import Command
from shared.contracts.outcome import Accepted, Rejected

PATIENCE = 15.0
ViewT = TypeVar("ViewT", bound=BaseModel)


class NotAsToldError(Exception):
    """The system did something else than the story says."""


def as_told(holds: bool, what: str) -> None:
    """Raises NotAsToldError when it does not hold."""
    if not holds:
        raise NotAsToldError(f"not as told: {what}")


class Narrator:
    """Sends and asks through the client. Raises ClientError as the client does."""

    def __init__(self, client: CqrsClient) -> None:
        self._client = client
        self._console = Console(highlight=False, width=UNFOLDED)
        self._chapters = 0

    def chapter(self, title: str) -> None:
        self._chapters += 1
        self._console.print(Text(f"\n{self._chapters}. {title}", style="bold"))

    def end(self, text: str) -> None:
        self._console.print(Text(f"\n{text}", style="bold green"))

    def show(self, renderable: RenderableType) -> None:
        self._console.print(Padding(renderable, (0, 0, 0, 3), expand=False), crop=False)

    def aside(self, text: str) -> None:
        self.show(Text(text, style="dim"))

    async def send(self, command: Command, *, command_id: UUID | None = None) -> Accepted | Rejected:
        """The command's outcome, shown."""
        options = [f"--id={command_id}"] if command_id else []
        self._prompt("send", command.type, command, *options)
        outcome = await self._client.send_and_wait(command, command_id=command_id, timeout=PATIENCE)
        self.show(outcome_text(outcome))
        return outcome

    async def ask(self, query: Question[ViewT], *, token: str | None = None) -> Answered[ViewT] | Failed:
        """The answer, shown. It sees what was sent before: the client carries the tokens; `token` is sent as well."""
        options = [f"--token={token}"] if token else []
        self._prompt("query", query.type, query, *options)
        answer = await self._client.ask(query, timeout=PATIENCE, max_wait=PATIENCE / 2, consistency_token=token)
        self.show(answer_text(answer))
        return answer

    async def expect(self, query: Question[ViewT], *, token: str | None = None) -> ViewT:
        """The answer's data, shown. Raises NotAsToldError for an error answer."""
        answer = await self.ask(query, token=token)
        if isinstance(answer, Failed):
            raise NotAsToldError(f"{query.type} was answered with {answer.error.code}: {answer.error.message}")
        return answer.data

    def _prompt(self, verb: str, name: str, message: object, *options: str) -> None:
        fields = message.model_dump(exclude_unset=True) if isinstance(message, BaseModel) else {}
        words = [*(f"{field}={shlex.quote(str(value))}" for field, value in fields.items()), *options]
        self.show(Text(f"$ cqrs {verb} {name} {' '.join(words)}", style="cyan"))
