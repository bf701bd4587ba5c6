from collections.abc import Sequence
from typing import Protocol

from shared.messaging.envelope import Delivery
from shared.messaging.reply import Reply


class JointHandler(Protocol):
    """Answers what is ordinary many at a time; what it leaves, the RequestHandler answers."""

    def takes(self, request: Delivery) -> bool:
        """Whether it may be answered with others. Quick, and never raising."""
        ...

    async def answer(self, requests: Sequence[Delivery]) -> Sequence[Reply | None]:
        """A reply for each; None where the request is to be answered alone. When it raises, all of them are."""
        ...
