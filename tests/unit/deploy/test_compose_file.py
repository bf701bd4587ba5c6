"""docker-compose.yml keeps the rules of section 7: read as text, because a test must not need Docker."""

import re
from pathlib import Path

from deploy.native.layout import ROOT
from deploy.native.secret_files import NAMES
from shared.runtime.settings import ServiceSettings

COMPOSE = (ROOT / "docker-compose.yml").read_text()
_BLOCKS = COMPOSE.partition("\nservices:\n")[2].partition("\nnetworks:\n")[0]
SERVICES = dict(re.findall(r"^  (\w+):.*\n((?:    .*\n|\n)+)", _BLOCKS, re.MULTILINE))


def test_the_services_are_these() -> None:
    assert set(SERVICES) == {"rabbitmq", "postgres", "mongo", "setup", "command", "query", "tools"}


def test_every_port_is_on_the_loopback_interface() -> None:
    published = re.findall(r'"([^"\s]*:\d+)"', "".join(re.findall(r"ports:(?:.*\n(?:      - .*\n)*)", COMPOSE)))
    assert len(published) == 6
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_every_image_is_pinned() -> None:
    images = re.findall(r"image: (\S+)", COMPOSE) + re.findall(
        r"^FROM (\S+:\S+)", (ROOT / "deploy" / "Dockerfile").read_text(), re.MULTILINE
    )
    foreign = [image for image in images if image != "cqrs-accounts"]
    assert len(foreign) == 4
    assert all(re.search(r":\d+\.\d+", image) for image in foreign)


def test_every_service_is_hardened() -> None:
    hardened = COMPOSE.partition("x-hardened: &hardened\n")[2].partition("\n\n")[0]
    for rule in ("read_only: true", "cap_drop: [ALL]", "no-new-privileges:true", "init: true"):
        assert rule in hardened
    assert all("<<: *hardened" in block or "<<: *ours" in block for block in SERVICES.values())
    assert "privileged" not in COMPOSE.replace("no-new-privileges", "")
    assert all("user: " in SERVICES[server] for server in ("rabbitmq", "postgres", "mongo"))
    assert re.search(r"^USER \d+", (ROOT / "deploy" / "Dockerfile").read_text(), re.MULTILINE)


def test_services_wait_for_the_set_up_job_and_have_time_to_drain() -> None:
    for service in ("command", "query"):
        assert "setup: {condition: service_completed_successfully}" in SERVICES[service]
        grace = re.search(r"stop_grace_period: (\d+)s", SERVICES[service])
        assert grace
        assert float(grace.group(1)) > ServiceSettings.model_fields["drain_seconds"].default


def test_no_service_is_given_an_administrators_secret() -> None:
    assert not [name for name in ("command", "query") if "admin" in SERVICES[name]]
    assert "guest" not in COMPOSE


def test_every_secret_is_a_file_that_a_clone_has() -> None:
    used = set(re.findall(r"/run/secrets/(\w+)", COMPOSE))  # those of `tools` are others' too
    declared = set(re.findall(r"^  (\w+): \{file:", COMPOSE, re.MULTILINE))
    committed = {file.name for file in Path(ROOT / "deploy" / "secrets" / "development").iterdir()}
    assert used == declared == committed == set(NAMES)


def test_there_is_no_version_line_and_no_fixed_container_name() -> None:
    assert not re.search(r"^version:", COMPOSE, re.MULTILINE)
    assert "container_name" not in COMPOSE
