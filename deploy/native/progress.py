"""What a person sees while the stack works: one line per step, on stderr, so that stdout stays for answers."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

_SLOW = 1.0  # seconds; quicker steps don't say how long they took
_lines = 0


def say(text: str) -> None:
    global _lines
    _lines += 1
    print(text, file=sys.stderr, flush=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    """Prints `text` when the step starts and, for a slow one, how long it took when it ends well."""
    started = time.monotonic()
    say(f"  {text} …")
    last = _lines
    yield
    seconds = time.monotonic() - started
    if seconds < _SLOW:
        return
    if sys.stderr.isatty() and last == _lines:  # nothing was said in between: finish the same line
        print(f"\033[1A\033[K  {text} … {seconds:.0f} s", file=sys.stderr, flush=True)
    else:
        say(f"  {text}: done in {seconds:.0f} s")
