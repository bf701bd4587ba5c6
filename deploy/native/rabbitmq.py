"""RabbitMQ as a process of this user, with its node, cookie and data in the stack's folder."""

import base64
import os
import re
import urllib.error
import urllib.request
from pathlib import Path

from deploy.native.errors import StackError
from deploy.native.layout import ROOT, Layout
from deploy.native.part import Part
from deploy.native.ports import accepts
from deploy.native.secret_files import read_secret

ADMIN = "admin"
OLDEST = (3, 10)  # older ones lack at-least-once dead lettering

_FILES = ROOT / "deploy" / "rabbitmq"


def find_rabbitmq() -> Path | None:
    """The server's own start script; Debian's wrapper in /usr/sbin insists on being root or user rabbitmq."""
    scripts = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server"), key=_version)
    return scripts[-1] if scripts else None


def rabbitmq(layout: Layout) -> Part:
    script = _script()
    home = _home(layout)
    return Part(
        name="rabbitmq",
        title=f"RabbitMQ {'.'.join(str(number) for number in _version(script))}",
        argv=[str(script)],
        env=_environment(home, layout),
        ports={
            layout.amqp_port: "RabbitMQ, AMQP",
            layout.management_port: "RabbitMQ, management",
            layout.erlang_port: "RabbitMQ, Erlang distribution",
            layout.broker_metrics_port: "RabbitMQ, metrics",
        },
        not_ready=lambda: _not_ready(layout),
        start_timeout=120,
    )


def prepare_rabbitmq(layout: Layout) -> None:
    """Writes the node's configuration: the shared one, and this stack's addresses."""
    home = _home(layout)
    home.mkdir(mode=0o700, exist_ok=True)
    (home / "enabled_plugins").write_text((_FILES / "enabled_plugins").read_text())
    (home / "rabbitmq.conf").write_text(
        (_FILES / "rabbitmq.conf").read_text()
        + f"\nlisteners.tcp.1 = 127.0.0.1:{layout.amqp_port}\n"
        + f"management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {layout.management_port}\n"
        + f"prometheus.tcp.ip = 127.0.0.1\nprometheus.tcp.port = {layout.broker_metrics_port}\n"
    )


def _script() -> Path:
    script = find_rabbitmq()
    if script is None:
        raise StackError("RabbitMQ is not installed: as root, run apt-get install rabbitmq-server")
    if _version(script) < OLDEST:
        found = ".".join(str(number) for number in _version(script))
        raise StackError(f"RabbitMQ {found} is too old, 3.10 or later is needed: upgrade it, or use STACK=docker")
    return script


def _home(layout: Layout) -> Path:
    return layout.state / "rabbitmq"


def _environment(home: Path, layout: Layout) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ_", "ERL_"))}
    return inherited | {
        "HOME": str(home),  # Erlang keeps its cookie there
        "LC_ALL": "C.UTF-8",
        "RABBITMQ_NODENAME": "cqrs@localhost",
        "RABBITMQ_MNESIA_BASE": str(home / "data"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": os.devnull,
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
        "RABBITMQ_DIST_PORT": str(layout.erlang_port),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "RABBITMQ_SCHEDULER_BIND_TYPE": "u",  # it shares the cores: a bound thread waits for its own one
        "RABBITMQ_DEFAULT_USER": ADMIN,
        "RABBITMQ_DEFAULT_PASS": read_secret(layout.secrets, "rabbitmq_admin_password"),
        "RUNNING_UNDER_SYSTEMD": "true",  # the script then becomes the Erlang VM, and our pid is its own
        "ERL_EPMD_PORT": str(layout.epmd_port),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_MAX_PORTS": "65536",  # with the huge file limit of some containers Erlang would reserve gigabytes
    }


def _not_ready(layout: Layout) -> str | None:
    """Ready when the node has booted (it opens AMQP last) and its management API answers for the administrator."""
    if not accepts(layout.amqp_port):
        return "it does not accept AMQP connections"
    credentials = f"{ADMIN}:{read_secret(layout.secrets, 'rabbitmq_admin_password')}"
    request = urllib.request.Request(
        f"http://127.0.0.1:{layout.management_port}/api/health/checks/virtual-hosts",
        headers={"Authorization": "Basic " + base64.b64encode(credentials.encode()).decode()},
    )
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5):
            return None
    except urllib.error.HTTPError as error:
        return f"its management API answers {error.code}"
    except OSError:
        return "its management API does not answer"


def _version(script: Path) -> tuple[int, ...]:
    found = re.search(r"rabbitmq_server-([\d.]+)", str(script))
    return tuple(int(number) for number in found.group(1).strip(".").split(".")) if found else ()
