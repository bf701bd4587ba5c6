"""make up, down, status, env, logs, clean on docker compose."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

from deploy import native_commands
from deploy.native.client_env import write_env
from deploy.native.errors import StackError
from deploy.native.layout import ROOT, Layout, layout_from_environment
from deploy.native.ports import require_free
from deploy.native.processes import tail
from deploy.native.progress import say, step
from deploy.native.secret_files import make_secrets, read_secret

_DEVELOPMENT_SECRETS = ROOT / "deploy" / "secrets" / "development"
_SERVERS = ("rabbitmq", "postgres", "mongo")


def engine_answers() -> bool:
    """Is there a Docker engine that this user may talk to, and Compose v2?"""
    if not shutil.which("docker"):
        return False
    try:
        return all(
            subprocess.run(["docker", *command], capture_output=True, timeout=15).returncode == 0
            for command in (["info"], ["compose", "version"])
        )
    except subprocess.TimeoutExpired:
        return False


def require_engine() -> None:
    if not engine_answers():
        raise StackError(
            "no Docker engine with Compose v2 answers: start it (docker info shows why), or use STACK=native"
        )


def is_up() -> bool:
    return bool(_compose("ps", "--quiet", "--status", "running").stdout.strip())


def up_or_else(native: Callable[[], None]) -> None:
    """`up` where nobody chose Docker: without the images at hand or to be had, the native stack it is."""
    try:
        _get_images()
    except StackError as error:
        say(f"  {error.details.splitlines()[-1] if error.details else error}")
        say("  the images can't be had here: starting the native stack instead (STACK=docker insists)")
        native()
        return
    _up()


def up() -> None:
    """Builds, starts what isn't running, returns when all of it is healthy."""
    _get_images()
    _up()


def _up() -> None:
    layout = layout_from_environment()
    if not is_up():
        servers = {layout.amqp_port: "RabbitMQ", layout.management_port: "RabbitMQ, management"}
        require_free(servers | {layout.postgres_port: "PostgreSQL", layout.mongo_port: "MongoDB"}, layout.port_base)
    layout.make_folders()
    layout.remember()
    native_commands.venv(dev=False)  # for the command line and the demo
    scale = ["--scale", f"command={layout.command_replicas}", "--scale", f"query={layout.query_replicas}"]
    with step("starting the containers"):
        done = _logged("up", "--build", "--wait", *scale)
    if done != 0:
        said = _compose("logs", "--no-log-prefix", "--tail", "12", "setup", "command", "query").stdout
        raise StackError(f"docker compose up failed: see {_log(layout)}", f"{tail(_log(layout))}\n{said}")
    write_env(layout, client_env())
    say(f"ready: AMQP 127.0.0.1:{layout.amqp_port}, management http://127.0.0.1:{layout.management_port}")
    say('       clients: eval "$(make env)" · logs: make logs · stop: make down')


def down() -> None:
    with step("stopping the containers"):
        _checked("down")


def clean() -> None:
    with step("removing the containers and their volumes"):
        _checked("down", "--volumes")
    (layout_from_environment().state / "env").unlink(missing_ok=True)


def status() -> None:
    """Compose's own table on stdout; exit code 1 when something isn't healthy."""
    sys.stdout.write(_compose("ps", "--all").stdout)
    healthy = len(_compose("ps", "--quiet", "--status", "running").stdout.split())
    layout = layout_from_environment()
    sys.exit(0 if healthy >= len(_SERVERS) + layout.command_replicas + layout.query_replicas else 1)


def env() -> None:
    """Shell lines on stdout."""
    sys.stdout.write(write_env(layout_from_environment(), client_env()))


def logs(part: str | None) -> None:
    os.chdir(ROOT)
    os.execvp("docker", ["docker", "compose", "logs", "--follow", "--tail", "30", *([part] if part else [])])  # noqa: S606


def write_secrets(folder: Path) -> None:
    """Random secrets in `folder`, for CQRS_SECRETS_DIR; only this user may enter it, containers may read the files."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    make_secrets(folder, mode=0o644)


def client_env() -> dict[str, str]:
    """The CQRS_* variables, with the ports that Docker gave."""
    broker, management = _address("rabbitmq", 5672), _address("rabbitmq", 15672)
    return {
        "CQRS_AMQP_URL": f"amqp://client:{_password('rabbitmq_client')}@{broker}/cqrs",
        "CQRS_OPS_AMQP_URL": f"amqp://ops:{_password('rabbitmq_ops')}@{broker}/cqrs",
        "CQRS_ADMIN_AMQP_URL": f"amqp://admin:{_password('rabbitmq_admin')}@{broker}/cqrs",
        "CQRS_RABBITMQ_API_URL": f"http://admin:{_password('rabbitmq_admin')}@{management}",
        "CQRS_POSTGRES_URL": f"postgresql+asyncpg://ops:{_password('postgres_ops')}@{_address('postgres', 5432)}/cqrs",
        # The set's member is called mongo:27017, a name that means nothing outside the containers.
        "CQRS_MONGO_URL": f"mongodb://query:{_password('mongo_query')}@{_address('mongo', 27017)}/cqrs"
        "?directConnection=true",
        "CQRS_COMMAND_HTTP_URL": f"http://{_address('command', 8080)}",
        "CQRS_QUERY_HTTP_URL": f"http://{_address('query', 8080)}",
    }


def _get_images() -> None:
    """Builds ours and pulls the servers'; what is here already stays. Raises StackError."""
    with step("getting the images"):
        for command in (["build", "--quiet"], ["pull", "--quiet", "--policy", "missing", *_SERVERS]):
            if _logged(*command) != 0:
                log = _log(layout_from_environment())
                raise StackError(f"the images can't be had: see {log}", tail(log, 3))


def _address(service: str, port: int) -> str:
    said = _compose("port", service, str(port)).stdout.strip()
    if not said or said.endswith(":0"):
        raise StackError(f"{service} is not running: make up")
    return said


def _password(name: str) -> str:
    return quote(read_secret(_secrets(), f"{name}_password"), safe="")


def _secrets() -> Path:
    return Path(os.environ.get("CQRS_SECRETS_DIR") or _DEVELOPMENT_SECRETS)


def _environment() -> dict[str, str]:
    layout = layout_from_environment()
    ports = {
        "CQRS_AMQP_PORT": str(layout.amqp_port),
        "CQRS_MANAGEMENT_PORT": str(layout.management_port),
        "CQRS_POSTGRES_PORT": str(layout.postgres_port),
        "CQRS_MONGO_PORT": str(layout.mongo_port),
        "CQRS_COMMAND_HTTP_PORTS": f"{layout.command_http_port(1)}-{layout.command_http_port(20)}",
        "CQRS_QUERY_HTTP_PORTS": f"{layout.query_http_port(1)}-{layout.query_http_port(20)}",
    }
    return ports | os.environ


def _compose(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", "compose", *arguments], cwd=ROOT, env=_environment(), capture_output=True, text=True
    )


def _checked(*arguments: str) -> None:
    done = _compose(*arguments)
    if done.returncode != 0:
        raise StackError(f"docker compose {arguments[0]} failed", done.stderr)


def _logged(*arguments: str) -> int:
    """Exit code; what Compose says goes to the log."""
    for secret in _DEVELOPMENT_SECRETS.glob("*_*"):  # a strict umask would keep the containers' users out
        secret.chmod(secret.stat().st_mode | 0o044)
    layout = layout_from_environment()
    layout.logs.mkdir(parents=True, exist_ok=True)
    command: Sequence[str] = ["docker", "compose", *arguments]
    with _log(layout).open("ab") as output:
        return subprocess.run(
            command, cwd=ROOT, env=_environment(), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        ).returncode


def _log(layout: Layout) -> Path:
    return layout.logs / "docker-compose.log"
