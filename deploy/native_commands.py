"""make up, down, status, env, logs, clean on the native stack."""

import os
import signal
import sys

from deploy.native import processes
from deploy.native.client_env import client_env, write_env
from deploy.native.errors import StackError
from deploy.native.layout import Layout, layout_from_environment, remembered_port_base
from deploy.native.mongod_download import fetch_mongod
from deploy.native.packages import install_missing
from deploy.native.progress import say
from deploy.native.stack import SERVERS, NativeStack
from deploy.native.virtual_environment import make_venv


def up() -> None:
    """Installs what is missing, starts what isn't running, returns when all of it is ready."""
    layout = layout_from_environment()
    stack = NativeStack(layout)
    with stack.locked():
        _require_same_ports(stack)
        _install(layout, dev=False)
        stack.up()
        write_env(layout, client_env(layout))
    say(f"ready: AMQP 127.0.0.1:{layout.amqp_port}, management http://127.0.0.1:{layout.management_port}")
    say(f'       clients: eval "$(make env)" · logs: {layout.logs} · stop: make down')


def down() -> None:
    stack = NativeStack(layout_from_environment())
    with stack.locked():
        stack.down()


def clean() -> None:
    stack = NativeStack(layout_from_environment())
    with stack.locked():
        stack.clean()


def status() -> None:
    """One line for each part on stdout; exit code 1 when something isn't ready."""
    stack = NativeStack(layout_from_environment())
    names = [*SERVERS, *dict.fromkeys([*stack.service_names(), *(n for n in stack.running() if n not in SERVERS)])]
    reasons = {name: stack.not_ready(name) for name in names}
    for name, reason in reasons.items():
        pid = stack.pid(name)
        since = f"pid {pid}, up {processes.uptime(pid):.0f} s" if pid else ""
        print(f"{name:<10} {'ready' if reason is None else reason}{', ' if since else ''}{since}")
    sys.exit(0 if not any(reasons.values()) else 1)


def env() -> None:
    """Shell lines on stdout."""
    layout = layout_from_environment()
    _require_up_once(layout)
    sys.stdout.write(write_env(layout, client_env(layout)))


def logs(part: str | None) -> None:
    """Follows the logs of one part, or of all; becomes `tail`."""
    stack = NativeStack(layout_from_environment())
    names = stack.names(part) if part else sorted(file.stem for file in stack.layout.logs.glob("*.log"))
    files = [str(stack.log(name)) for name in names if stack.log(name).exists()]
    if not files:
        raise StackError("there are no logs yet: make up")
    os.execvp("tail", ["tail", "-n", "30", "-F", *files])  # noqa: S606


def kill(part: str) -> None:
    NativeStack(layout_from_environment()).send(part, signal.SIGKILL)


def start(part: str) -> None:
    NativeStack(layout_from_environment()).start(part)


def stop(part: str) -> None:
    stack = NativeStack(layout_from_environment())
    stack.stop(stack.names(part))


def venv(*, dev: bool) -> None:
    """`.venv` for those who need no servers, such as lint and unit tests."""
    install_missing(layout_from_environment().logs / "apt.log", servers=False)
    make_venv(dev=dev)


def prepare() -> None:
    """Everything that tests need, started nowhere."""
    layout = layout_from_environment()
    with NativeStack(layout).locked():
        _install(layout, dev=True)


def _install(layout: Layout, *, dev: bool) -> None:
    install_missing(layout.logs / "apt.log")
    fetch_mongod(layout.downloads, make_venv(dev=dev))


def _require_up_once(layout: Layout) -> None:
    if not (layout.secrets / "rabbitmq_client_password").exists():
        raise StackError("there is no stack yet: make up")


def _require_same_ports(stack: NativeStack) -> None:
    """A stack that runs keeps its ports."""
    asked = os.environ.get("CQRS_PORT_BASE")
    running = remembered_port_base(stack.layout.state)
    if asked and running and int(asked) != running and stack.running():
        raise StackError(
            f"the stack is up on ports from {running}: make down first, then make up CQRS_PORT_BASE={asked}"
        )
