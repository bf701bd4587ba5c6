"""A process whose wall clock is wrong: libfaketime, from the wheel of that name."""

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

HOUR = 3600


def wrong_clock(offset: str) -> Mapping[str, str]:
    """What to add to a process's environment; `offset` is libfaketime's, such as `+1h`.

    Only the wall clock is wrong: time.monotonic, and with it every timeout and asyncio's loop, goes as it should.
    """
    return {
        "LD_PRELOAD": str(_library()),
        "FAKETIME": offset,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",  # its older name
    }


def why_no_wrong_clock() -> str | None:
    """None where it works; the wheel carries a library for Linux on x86-64 only."""
    library = _library()
    if library is None:
        return "libfaketime is not installed"
    command = [sys.executable, "-c", "import time; print(time.time())"]
    said = subprocess.run(command, env=os.environ | wrong_clock("+1h"), capture_output=True, text=True)
    is_ahead = said.returncode == 0 and float(said.stdout) > time.time() + HOUR / 2
    return None if is_ahead else "libfaketime's library does not work here"


def _library() -> Path | None:
    found = importlib.util.find_spec("libfaketime")
    if found is None or found.origin is None:
        return None
    library = Path(found.origin).parent / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"
    return library if library.exists() else None
