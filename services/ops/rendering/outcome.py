"""An outcome for a person."""

import json

from rich.console import Group, RenderableType
from rich.text import Text

from shared.contracts.outcome import Accepted, Rejected, RejectionCode

HINTS = {
    RejectionCode.USER_ALREADY_EXISTS: "look at it with `cqrs query GetUserById user_id=…`, or choose another user_id",
    RejectionCode.USER_NOT_FOUND: "create the user first, or look for it with `cqrs query GetAllUsers`",
    RejectionCode.USER_DEACTIVATED: "`cqrs send ReactivateUser user_id=…` opens the account again",
    RejectionCode.USER_ACTIVE: "there is nothing to reactivate",
    RejectionCode.EMAIL_TAKEN: "find its owner with `cqrs query GetUserByEmail email=…`",
    RejectionCode.VERSION_CONFLICT: "somebody else was first: read the user again and decide anew",
    RejectionCode.IDEMPOTENCY_CONFLICT: "this --id stands for another command already: leave it out to get a new one",
    RejectionCode.EXPIRED: "it waited too long to be handled and was not applied: send it again with a new id",
}


def outcome_text(outcome: Accepted | Rejected) -> RenderableType:
    """One line, and another that says how to go on."""
    if isinstance(outcome, Accepted):
        return Group(
            Text.assemble(("accepted", "bold green"), f"  {outcome.aggregate_id} is at version {outcome.version}"),
            Text(f"          token {outcome.consistency_token}  command {outcome.command_id}", style="dim"),
        )
    lines = [Text.assemble(("rejected", "bold red"), f"  {outcome.error.code}: {outcome.error.message}")]
    if outcome.error.details:
        lines.append(Text(f"          {json.dumps(outcome.error.details, ensure_ascii=False)}", style="dim"))
    hint = HINTS.get(RejectionCode(outcome.error.code)) if outcome.error.code in set(RejectionCode) else None
    if hint:
        lines.append(Text(f"          {hint}", style="dim"))
    return Group(*lines)
