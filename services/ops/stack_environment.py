"""The CQRS_* variables of the stack that runs in this project, from the file that `make up` and `make env` write."""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

STATE_FOLDER = ".native"
ENV_FILE = "env"
PROJECT = Path(__file__).resolve().parents[2]


def find_env_file(start: Path) -> Path | None:
    """The stack's file: in CQRS_STATE_DIR, or else in `.native` of `start`, of its parents or of this project."""
    state = os.environ.get("CQRS_STATE_DIR")
    candidates = [Path(state)] if state else [folder / STATE_FOLDER for folder in _folders(start)]
    return next((file for folder in candidates if (file := folder / ENV_FILE).is_file()), None)


def read_env_file(file: Path) -> dict[str, str]:
    """The variables of lines such as `export NAME='value'`. Raises OSError."""
    variables: dict[str, str] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        for word in shlex.split(line, comments=True):
            name, equals, value = word.partition("=")
            if equals:
                variables[name] = value
    return variables


def _folders(start: Path) -> Iterator[Path]:
    yield start
    yield from start.parents
    yield PROJECT
