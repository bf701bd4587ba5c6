"""Where one stack lives: its folder and its ports. Stacks with other folders and ports run side by side."""

import hashlib
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from deploy.native.errors import StackError

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_PORT_BASE = 17000
BLOCK = 60  # ports that one stack may use, counted from its base
EPHEMERAL = 32768  # from here on the kernel gives ports away to clients


@dataclass(frozen=True)
class Layout:
    """`state` is the stack's own folder, `downloads` may be shared between stacks, `python` runs our services."""

    state: Path
    port_base: int
    downloads: Path
    python: Path
    command_replicas: int = 1
    query_replicas: int = 1

    @property
    def amqp_port(self) -> int:
        return self.port_base

    @property
    def management_port(self) -> int:
        return self.port_base + 1

    @property
    def postgres_port(self) -> int:
        return self.port_base + 2

    @property
    def mongo_port(self) -> int:
        return self.port_base + 3

    @property
    def epmd_port(self) -> int:
        return self.port_base + 4

    @property
    def erlang_port(self) -> int:
        return self.port_base + 5

    @property
    def broker_metrics_port(self) -> int:
        return self.port_base + 6

    def command_http_port(self, replica: int) -> int:
        """`replica` counts from 1."""
        return self.port_base + 9 + replica

    def query_http_port(self, replica: int) -> int:
        """`replica` counts from 1."""
        return self.port_base + 29 + replica

    @property
    def secrets(self) -> Path:
        return self.state / "secrets"

    @property
    def logs(self) -> Path:
        return self.state / "log"

    @property
    def pids(self) -> Path:
        return self.state / "run"

    @property
    def postgres_fallback(self) -> Path:
        """Where PostgreSQL's data goes when the user it runs as can't reach `state`."""
        return Path("/var/tmp") / f"cqrs-{hashlib.sha256(str(self.state).encode()).hexdigest()[:12]}"  # noqa: S108

    def make_folders(self) -> None:
        for folder in (self.state, self.logs, self.pids, self.downloads):
            folder.mkdir(parents=True, exist_ok=True)
        self.secrets.mkdir(mode=0o700, exist_ok=True)

    def remember(self) -> None:
        """So that `down`, `env` and `status` find the ports that `up` was given."""
        (self.state / "stack.json").write_text(json.dumps({"port_base": self.port_base}) + "\n")


def layout_from_environment() -> Layout:
    """Reads CQRS_STATE_DIR, CQRS_PORT_BASE, COMMAND_REPLICAS and QUERY_REPLICAS. Raises StackError."""
    state = Path(os.environ.get("CQRS_STATE_DIR") or ROOT / ".native").absolute()
    base = _number("CQRS_PORT_BASE", remembered_port_base(state) or DEFAULT_PORT_BASE, 1024, EPHEMERAL - BLOCK)
    return Layout(
        state=state,
        port_base=base,
        downloads=ROOT / ".native" / "downloads",
        python=venv_python(),
        command_replicas=_number("COMMAND_REPLICAS", 1, 1, 20),
        query_replicas=_number("QUERY_REPLICAS", 1, 1, 20),
    )


def venv_python() -> Path:
    return ROOT / ".venv" / "bin" / "python"


def this_python() -> Path:
    return Path(sys.executable)


def remembered_port_base(state: Path) -> int | None:
    try:
        remembered = json.loads((state / "stack.json").read_text())
        return int(remembered["port_base"])
    except (OSError, ValueError, KeyError):
        return None


def _number(name: str, default: int, least: int, most: int) -> int:
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    if not text.isdigit() or not least <= int(text) <= most:
        raise StackError(f"{name}={text}: a number from {least} to {most} is needed")
    return int(text)
