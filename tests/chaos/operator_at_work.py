"""What an operator does, with the command line that he has."""

import asyncio
import json
import os
import sys

from tests.chaos.chaos_stack import World
from tests.chaos.recovery import NotRecoveredError

PATIENCE_SECONDS = 120.0


async def verify_and_repair(world: World, model: str) -> str:
    """`cqrs projection verify MODEL --repair`, and what it found. Raises NotRecoveredError when it ends otherwise."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.ops", "projection", "verify", model, "--repair", "--json"),
        env={**os.environ, **world.env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise NotRecoveredError(f"verify {model} --repair: not done after {PATIENCE_SECONDS:.0f} s") from None
    if process.returncode != 0:
        said = (out + err).decode(errors="replace").strip()
        raise NotRecoveredError(f"verify {model} --repair: exit code {process.returncode}: {said[-2000:]}")
    report = json.loads(out)["report"]
    return f"{model}: {report['differences']} differed, {report['repaired']} repaired"
