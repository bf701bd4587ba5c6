"""What is missing or wrong is said in one line that tells what to do."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.choice import chosen_stack
from deploy.native import packages
from deploy.native.errors import StackError
from deploy.native.layout import ROOT, layout_from_environment
from deploy.native.ports import require_free


def test_a_python_that_is_too_old_is_told_so() -> None:
    pretend = "import runpy, sys; sys.version_info = (3, 10, 12); sys.version = '3.10.12 (main)'; "
    done = subprocess.run(
        [sys.executable, "-c", pretend + "runpy.run_module('deploy', run_name='__main__')"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "Python 3.11 or later is needed and this is 3.10.12" in done.stderr
    assert "make PYTHON=" in done.stderr


def test_a_port_that_is_taken_is_named_with_its_owner() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StackError) as caught:
            require_free({port: "PostgreSQL"}, base=17000)
    assert f"port {port} (PostgreSQL) is taken by" in str(caught.value)
    assert f"(pid {os.getpid()})" in str(caught.value)
    assert "make up CQRS_PORT_BASE=18000" in str(caught.value)


def test_without_a_package_manager_the_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "missing_packages", lambda *, servers: ["postgresql", "rabbitmq-server"])
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(
        StackError, match=r"no apt-get here: install postgresql, rabbitmq-server by hand, or use STACK="
    ):
        packages.install_missing(tmp_path / "apt.log")


def test_without_sudo_the_command_for_root_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "missing_packages", lambda *, servers: ["rabbitmq-server"])
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/apt-get" if name == "apt-get" else None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(StackError, match="as root, run apt-get install --no-install-recommends rabbitmq-server"):
        packages.install_missing(tmp_path / "apt.log")


@pytest.mark.parametrize(
    ("name", "value"),
    [("CQRS_PORT_BASE", "80"), ("CQRS_PORT_BASE", "40000"), ("COMMAND_REPLICAS", "many"), ("QUERY_REPLICAS", "0")],
)
def test_a_setting_that_makes_no_sense_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StackError, match=f"{name}={value}: a number from"):
        layout_from_environment()


def test_a_stack_that_there_is_not_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACK", "podman")
    with pytest.raises(StackError, match="STACK=podman: docker or native"):
        chosen_stack("up")
