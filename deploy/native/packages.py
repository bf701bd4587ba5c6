"""What the machine must have, and how it gets it: Debian and Ubuntu packages, only those that are missing."""

import ctypes
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from deploy.native.errors import StackError
from deploy.native.postgresql import find_postgresql
from deploy.native.processes import tail
from deploy.native.progress import step
from deploy.native.rabbitmq import find_rabbitmq

_INSTALL = Path(__file__).with_name("install-packages.sh")


def install_missing(log: Path, *, servers: bool = True) -> None:
    """Installs what is missing, with sudo when not root. Raises StackError with the command to type when it can't."""
    packages = missing_packages(servers=servers)
    if not packages:
        return
    if sys.platform != "linux":
        raise StackError("the native stack runs on Linux only: start Docker and use STACK=docker")
    by_hand = f"apt-get install --no-install-recommends {' '.join(packages)}"
    if not shutil.which("apt-get"):
        raise StackError(f"no apt-get here: install {', '.join(packages)} by hand, or use STACK=docker")
    command = ["sh", str(_INSTALL), *packages]
    stdin = None if sys.stdin.isatty() else subprocess.DEVNULL  # sudo may have to ask
    if os.geteuid() != 0:
        if not shutil.which("sudo"):
            raise StackError(f"{', '.join(packages)} missing and there is no sudo here: as root, run {by_hand}")
        command = ["sudo", *([] if sys.stdin.isatty() else ["-n"]), *command]
    log.parent.mkdir(parents=True, exist_ok=True)
    with step(f"installing {', '.join(packages)} (apt-get, log: {log})"), log.open("wb") as output:
        done = subprocess.run(command, stdin=stdin, stdout=output, stderr=output)
    if done.returncode != 0:
        raise StackError(f"the packages could not be installed: as root, run {by_hand}", tail(log))
    still = missing_packages(servers=servers)
    if still:
        raise StackError(f"apt-get ended well, but {', '.join(still)} can't be used: see {log}")


def missing_packages(*, servers: bool = True) -> list[str]:
    """Names of Debian packages."""
    packages = [] if _can_make_venv() else [f"python{sys.version_info.major}.{sys.version_info.minor}-venv"]
    if not servers:
        return packages
    if find_postgresql() is None:
        packages.append("postgresql")
    if find_rabbitmq() is None:
        packages.append("rabbitmq-server")
    if not shutil.which("mongod"):
        packages += [package for library, package in _MONGOD_LIBRARIES.items() if not _loads(library)]
    return packages


# Debian 13 and Ubuntu 24.04 provide these under new names (64-bit time), and still answer to the old ones.
_MONGOD_LIBRARIES = {"libcurl.so.4": "libcurl4", "libcrypto.so.3": "libssl3"}


def _can_make_venv() -> bool:
    return importlib.util.find_spec("venv") is not None and importlib.util.find_spec("ensurepip") is not None


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
