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

    Raises CalledProcessError.
    """
    python, stamp = folder / "bin" / "python", folder / ".lock"
    wanted = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    with step("creating the peers' environment"):
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        install = ["install", "-q", "--disable-pip-version-check", "--no-input", "--no-deps", "--require-hashes"]
        subprocess.run([str(python), "-m", "pip", *install, "-r", str(LOCK)], check=True)
    stamp.write_text(wanted)
    return python
