"""How much memory the native stack's mongod keeps for itself."""

import pytest

from deploy.native.mongodb import LARGEST_CACHE_GB, SMALLEST_CACHE_GB, cache_gigabytes

GB = 2**30


@pytest.mark.parametrize(
    ("memory", "cache"),
    [(4 * GB, 1.0), (24 * GB, 6.0), (GB // 2, SMALLEST_CACHE_GB), (256 * GB, LARGEST_CACHE_GB)],
)
def test_it_is_a_quarter_of_the_machines_within_bounds(memory: int, cache: float) -> None:
    assert cache_gigabytes(memory) == cache
