from deploy.native.layout import ROOT
from deploy.native.services import ALLOCATION


def test_services_allocate_memory_alike_in_both_stacks() -> None:
    (line,) = [line for line in (ROOT / "deploy/Dockerfile").read_text().splitlines() if "MALLOC_" in line]

    assert dict(setting.split("=") for setting in line.removeprefix("ENV ").split()) == ALLOCATION
