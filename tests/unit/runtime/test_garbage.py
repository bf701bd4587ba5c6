"""In a process of its own: what stays from now on is for good."""

import subprocess
import sys

PROGRAM = """
import gc, weakref
from shared.runtime.garbage import search_less

class Circle:
    def __init__(self):
        self.self = self

kept = [Circle() for _ in range(100)]
search_less()
print(gc.get_freeze_count() > len(kept), any(thing is kept[0] for thing in gc.get_objects()))
lost = weakref.ref(Circle())
for _ in range(20_000):
    Circle()
print(lost() is None)
"""


def test_what_is_there_is_searched_no_more_and_later_circles_are_still_freed() -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True)
    assert ran.stdout.split() == ["True", "False", "True"]


OUTLIVED = """
import asyncio, gc, weakref
from shared.runtime.garbage import search_less, search_regularly

class Circle:
    def __init__(self):
        self.self = self

async def main():
    search_less()
    searching = asyncio.create_task(search_regularly(every=0.05))
    connection = Circle()
    gc.collect(1)  # it has outlived the searches for what is new
    lost = weakref.ref(connection)
    del connection
    await asyncio.sleep(0.5)
    print(lost() is None)

asyncio.run(main())
"""


def test_what_was_in_use_for_long_is_freed_soon_after_it_is_lost() -> None:
    """However little the process does meanwhile."""
    ran = subprocess.run([sys.executable, "-c", OUTLIVED], check=True, capture_output=True, text=True)
    assert ran.stdout.split() == ["True"]
