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
    lock = ROOT / ("requirements-dev.lock" if dev else "requirements.lock")
    stamp = _FOLDER / f".{lock.name}"
    wanted = _fingerprint(lock)
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-input", "--no-deps"]
    with step(f"installing Python packages ({lock.name})"):
        _run([*pip, "--require-hashes", "-r", str(lock)], f"the packages of {lock.name} could not be installed")
        _run([*pip, "--no-build-isolation", "-e", str(ROOT)], "the project itself could not be installed")
    stamp.write_text(wanted)
    return python


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
