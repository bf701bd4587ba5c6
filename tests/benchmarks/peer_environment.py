"""The peers' own virtual environment: what they pin may not agree with what we pin. It has matplotlib, too."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from deploy.native.progress import step

LOCK = Path(__file__).with_name("peers") / "requirements.lock"


def peers_python(folder: Path) -> Path:
    """Makes the environment in `folder`, or brings it up to its lock file; gives its Python.

    Raises RuntimeError with what pip said.
    """
    python, stamp = folder / "bin" / "python", folder / ".lock"
    wanted = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    with step("creating the peers' environment"):
        install = ["install", "-q", "--disable-pip-version-check", "--no-input", "--no-deps", "--require-hashes"]
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([str(python), "-m", "pip", *install, "-r", str(LOCK)])
    stamp.write_text(wanted)
    return python


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed: {(done.stdout + done.stderr)[-2000:]}")
