"""The project's virtual environment `.venv`, filled from the lock files: every file checked against its hash."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from deploy.native.errors import StackError
from deploy.native.layout import ROOT, venv_python
from deploy.native.progress import step

_FOLDER = ROOT / ".venv"


def make_venv(*, dev: bool = False) -> Path:
    """Makes `.venv`, or brings it up to its lock file; gives its Python. `dev` adds what tests and lint need."""
    python = venv_python()
    if not _works(python):
        with step("creating .venv"):
            shutil.rmtree(_FOLDER, ignore_errors=True)
            _run([sys.executable, "-m", "venv", str(_FOLDER)], "the virtual environment could not be created")
    runtime, everything = ROOT / "requirements.lock", ROOT / "requirements-dev.lock"
    if _is_filled_from(everything) or (not dev and _is_filled_from(runtime)):
        return python
    lock = everything if dev else runtime
    pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-input", "--no-deps"]
    with step(f"installing Python packages ({lock.name})"):
        _run([*pip, "--require-hashes", "-r", str(lock)], f"the packages of {lock.name} could not be installed")
        _run([*pip, "--no-build-isolation", "-e", str(ROOT)], "the project itself could not be installed")
    _stamp(lock).write_text(_fingerprint(lock))
    return python


def _is_filled_from(lock: Path) -> bool:
    return _stamp(lock).exists() and _stamp(lock).read_text() == _fingerprint(lock)


def _stamp(lock: Path) -> Path:
    return _FOLDER / f".{lock.name}"


def _works(python: Path) -> bool:
    """Also false for an environment that was moved, or whose Python was removed or upgraded."""
    check = [str(python), "-c", "import sys, pip; print(sys.version_info[:2] == tuple(map(int, sys.argv[1:])))"]
    try:
        said = subprocess.run([*check, *map(str, sys.version_info[:2])], capture_output=True, text=True)
    except OSError:
        return False
    return said.stdout.strip() == "True"


def _fingerprint(lock: Path) -> str:
    content = b"".join(file.read_bytes() for file in (lock, ROOT / "pyproject.toml"))
    return hashlib.sha256(content + str(ROOT).encode()).hexdigest()


def _run(command: list[str], problem: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise StackError(problem, (done.stdout + done.stderr)[-3000:])
