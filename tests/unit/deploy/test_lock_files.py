"""The lock files pin everything by hash and name no place to fetch it from."""

import re

import pytest

from deploy.native.layout import ROOT

LOCKS = [
    "requirements.lock",
    "requirements-dev.lock",
    "deploy/mongodb/mongod-wheel.lock",
    "tests/benchmarks/peers/requirements.lock",
]


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_pinned_with_hashes(name: str) -> None:
    text = (ROOT / name).read_text()
    requirements = [line for line in text.replace("\\\n", "").splitlines() if line[:1].isalnum()]
    assert requirements
    assert all("==" in requirement and "--hash=sha256:" in requirement for requirement in requirements)


@pytest.mark.parametrize("name", LOCKS)
def test_no_index_or_path_is_named(name: str) -> None:
    assert not re.search(r"https?:|file:|--(?:extra-)?index-url|--find-links|/home/|/opt/", (ROOT / name).read_text())


def test_the_runtime_lock_is_part_of_the_development_lock() -> None:
    runtime, dev = ((ROOT / name).read_text() for name in LOCKS[:2])
    pinned = set(re.findall(r"^([a-z0-9-]+==\S+)", runtime, re.MULTILINE))
    assert pinned <= set(re.findall(r"^([a-z0-9-]+==\S+)", dev, re.MULTILINE))
