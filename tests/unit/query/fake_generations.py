"""What a process takes for live generations, and what the catalogue says."""

from collections.abc import Mapping


class FakeGenerations:
    """As `Collections`: `catalogue` is known once it is read, and goes stale when a test says so."""

    def __init__(self) -> None:
        self.catalogue = {"users": 1}
        self.all_live: Mapping[str, int] = dict(self.catalogue)
        self.is_fresh = True

    async def refresh_when_old(self) -> None:
        if not self.is_fresh:
            self.all_live, self.is_fresh = dict(self.catalogue), True
