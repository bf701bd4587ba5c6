"""What a run leaves: a table, JSON, a plot, and a line for each figure."""

import json
import math
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.table import Table

from deploy.native.layout import ROOT
from tests.benchmarks.figures import Samples, measured, shown
from tests.benchmarks.percentiles import spread
from tests.benchmarks.scale import Scale


def table(samples: Samples) -> Table:
    """The figures beside their targets."""
    made = Table("figure", "median", "min–max", "at least", "aim", "", title="Figures")
    for figure, value in measured(samples):
        sign = "≤ " if figure.less_is_better else ""
        reached = [target for target in (figure.at_least, figure.aim) if figure.holds(value.median, target)]
        made.add_row(
            figure.name,
            shown(value.median),
            f"{shown(value.least)}–{shown(value.most)}",
            f"{sign}{figure.at_least:g}",
            f"{sign}{figure.aim:g}",
            ("missed", "reached", "aim reached")[len(reached)],
        )
    return made


def details(samples: Samples) -> Table:
    """All that was measured."""
    made = Table("measured", "median", "min–max", title="Measured")
    for name, values in samples.items():
        if any(not math.isnan(value) for value in values):
            value = spread(values)
            made.add_row(name, shown(value.median), f"{shown(value.least)}–{shown(value.most)}")
    return made


def as_json(samples: Samples, notes: Sequence[str], scale: Scale, command: str) -> dict[str, Any]:
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "revision": _revision(),
        "machine": machine(),
        "scale": asdict(scale),
        "notes": list(notes),
        "figures": {
            figure.name: asdict(value) | {"at_least": figure.at_least, "aim": figure.aim}
            for figure, value in measured(samples)
        },
        "samples": {
            name: [None if math.isnan(value) else value for value in values]
            for name, values in samples.items()
            if values
        },
    }


def machine() -> Mapping[str, Any]:
    models = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def draw(python: Path, results: Path, picture: Path) -> None:
    """By the peers' Python, which has matplotlib."""
    command = [str(python), "-m", "tests.benchmarks.plot", str(results), str(picture)]
    subprocess.run(command, cwd=ROOT, check=True, env=os.environ | {"MPLBACKEND": "Agg"})


def write(folder: Path, results: Mapping[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "results.json"
    file.write_text(json.dumps(results, indent=1) + "\n")
    return file


def _cpuinfo() -> list[str]:
    file = Path("/proc/cpuinfo")
    return file.read_text().splitlines() if file.exists() else []


def _revision() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip()
