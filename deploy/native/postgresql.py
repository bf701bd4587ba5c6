"""PostgreSQL as a process of this user; of user `postgres` when this user is root: it refuses to run as root."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

from deploy.native.errors import StackError
from deploy.native.layout import ROOT, Layout
from deploy.native.part import Part
from deploy.native.progress import say, step
from deploy.native.secret_files import read_secret

ADMIN = "postgres"
DATABASE = "cqrs"
OLDEST = 13

_CREATE_DATABASE = r"""
SELECT 'CREATE DATABASE cqrs' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'cqrs') \gexec
"""
_SETTINGS = ROOT / "deploy" / "postgresql" / "postgresql.conf"


def find_postgresql() -> Path | None:
    """The folder of the newest server's programs (initdb, postgres, pg_isready)."""
    debian = [folder for folder in Path("/usr/lib/postgresql").glob("*/bin") if (folder / "initdb").exists()]
    if debian:
        return max(debian, key=lambda folder: int(folder.parent.name))
    initdb = shutil.which("initdb")
    return Path(initdb).resolve().parent if initdb else None


def prepare_postgresql(layout: Layout) -> None:
    """Makes the database cluster when there is none, and writes its settings."""
    programs = _programs()
    home = _make_home(layout)
    if not _holds_cluster(home):
        _initialise(programs, home, layout)
    made_by = _read_version(home)
    if made_by != _version(programs):
        raise StackError(
            f"{home} holds data of PostgreSQL {made_by} and {_version(programs)} is installed: make clean drops it"
        )
    shutil.copyfile(_SETTINGS, home / "postgresql.conf")
    (home / "postgresql.conf").chmod(0o644)


def postgresql(layout: Layout) -> Part:
    programs = _programs()
    home = postgres_home(layout)
    return Part(
        name="postgres",
        title=f"PostgreSQL {_version(programs)}",
        argv=[
            *_as_owner(),
            *(str(programs / "postgres"), "-D", str(home / "data"), "-p", str(layout.postgres_port)),
            *("-c", f"config_file={home / 'postgresql.conf'}"),
            *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
            *("-c", f"shared_buffers={_cache_mb()}MB"),
        ],
        env=_environment(),
        ports={layout.postgres_port: "PostgreSQL"},
        not_ready=lambda: _not_ready(programs, layout),
        stop_signal=signal.SIGINT,  # "fast": ends sessions instead of waiting for them
        after_start=lambda: _create_database(programs, layout),
    )


def postgres_home(layout: Layout) -> Path:
    """Where the data is, or would be."""
    return layout.postgres_fallback if layout.postgres_fallback.exists() else layout.state / "postgresql"


def _cache_mb() -> int:
    """A quarter of the machine's memory, as PostgreSQL's documentation has it
    (https://www.postgresql.org/docs/current/runtime-config-resource.html), and 4 GB at most; taken as far as there is
    data.
    """
    memory_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return max(128, min(4096, memory_mb // 4))


def _programs() -> Path:
    programs = find_postgresql()
    if programs is None:
        raise StackError("PostgreSQL is not installed: as root, run apt-get install postgresql")
    if _version(programs) < OLDEST:
        raise StackError(
            f"PostgreSQL {_version(programs)} is too old, {OLDEST} or later is needed: upgrade it, or use STACK=docker"
        )
    return programs


def _holds_cluster(home: Path) -> bool:
    return (home / "data" / "PG_VERSION").exists()


def _read_version(home: Path) -> int:
    return int((home / "data" / "PG_VERSION").read_text())


def _make_home(layout: Layout) -> Path:
    """The data's folder, owned by the user that PostgreSQL runs as and within that user's reach."""
    home = postgres_home(layout)
    if home.exists():
        return home
    home.mkdir(mode=0o700)
    if os.geteuid() != 0:
        return home
    shutil.chown(home, "postgres", "postgres")
    if subprocess.run([*_as_owner(), "test", "-w", str(home)], capture_output=True).returncode == 0:
        return home
    home.rmdir()
    fallback = layout.postgres_fallback
    say(f"  user postgres can't reach {layout.state}: PostgreSQL's data goes to {fallback}")
    fallback.mkdir(mode=0o700)
    shutil.chown(fallback, "postgres", "postgres")
    return fallback


def _initialise(programs: Path, home: Path, layout: Layout) -> None:
    password = home / "admin-password"
    with os.fdopen(os.open(password, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
        opened.write(read_secret(layout.secrets, "postgres_admin_password") + "\n")
    if os.geteuid() == 0:
        shutil.chown(password, "postgres", "postgres")
    unfinished = home / "data.unfinished"  # renamed when complete: an interrupted initdb is no database
    subprocess.run([*_as_owner(), "rm", "-rf", str(unfinished)], check=True)
    command = [
        *_as_owner(),
        *(str(programs / "initdb"), "-D", str(unfinished), "-U", ADMIN, "--pwfile", str(password)),
        *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums"),
    ]
    try:
        with step("creating the PostgreSQL database cluster"):
            done = subprocess.run(command, env=_environment(), cwd="/", capture_output=True, text=True)
    finally:
        password.unlink()
    if done.returncode != 0:
        raise StackError("initdb failed", done.stdout + done.stderr)
    unfinished.rename(home / "data")


def _create_database(programs: Path, layout: Layout) -> None:
    """Creates the application's database when it isn't there yet."""
    connection = {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(layout.postgres_port),
        "PGUSER": ADMIN,
        "PGPASSWORD": read_secret(layout.secrets, "postgres_admin_password"),
    }
    psql = [str(programs / "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", "postgres"]
    done = subprocess.run(psql, input=_CREATE_DATABASE, env=_environment() | connection, capture_output=True, text=True)
    if done.returncode != 0:
        raise StackError(f"the database {DATABASE} could not be created", done.stderr)


def _not_ready(programs: Path, layout: Layout) -> str | None:
    command = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(layout.postgres_port), "-t", "2"]
    answer = subprocess.run(command, env=_environment(), capture_output=True).returncode
    return {0: None, 1: "it is starting up"}.get(answer, "it does not answer")


def _as_owner() -> list[str]:
    """Put before a command, runs it as PostgreSQL's user; setpriv becomes the command, so the pid stays."""
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C.UTF-8"}


def _version(programs: Path) -> int:
    said = subprocess.run([str(programs / "postgres"), "--version"], capture_output=True, text=True).stdout
    found = re.search(r"\) (\d+)", said)
    return int(found.group(1)) if found else 0
