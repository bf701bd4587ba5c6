"""`make demo`: exit code 0 when the story is told, 1 and one line on stderr when it goes another way."""

import asyncio
import sys
from uuid import uuid4

from services.ops.connection import connected
from services.ops.demo.narrator import Narrator, NotAsToldError
from services.ops.demo.story import tell
from services.ops.demo.witness import witness
from services.ops.errors import OpsError
from services.ops.terminal import note
from shared.client_errors import ClientError
from shared.runtime.logging import configure_logging


def main() -> int:
    configure_logging("critical")
    try:
        asyncio.run(_tell())
    except (NotAsToldError, OpsError, ClientError) as error:
        note(f"the demo failed: {error}", style="bold red")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


async def _tell() -> None:
    async with connected() as client, witness(client) as happened:
        await tell(Narrator(client), happened, run=uuid4().hex[:6])


if __name__ == "__main__":
    sys.exit(main())
