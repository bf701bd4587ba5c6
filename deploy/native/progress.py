"""What a person sees while the stack works: one line per step, on stderr, so that stdout stays for answers."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    """Prints `text` when the step starts and how long it took when it ends well."""
    started = time.monotonic()
    interactive = sys.stderr.isatty()
    say(f"  {text} …")
    yield
    seconds = time.monotonic() - started
    if seconds < 1:
        return
    if interactive:
        print("\033[1A", end="", file=sys.stderr)
        say(f"  {text} … {seconds:.0f} s")
    else:
        say(f"  {text}: done in {seconds:.0f} s")
