"""Draws what `results.json` holds: `python -m tests.benchmarks.plot results.json results.png`."""

import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib.pyplot as plt

SYSTEMS = ("ours", "naive", "faststream", "celery", "taskiq", "nameko", "echo")
COLOURS = dict(zip(SYSTEMS, ("#1b6ca8", "#888888", "#d1495b", "#66a182", "#edae49", "#8d6a9f", "#444444"), strict=True))
PROCESSES = ("rabbitmq", "postgres", "mongo", "command", "query")


def main() -> None:
    results = json.loads(Path(sys.argv[1]).read_text())
    samples: dict[str, list[float]] = {
        name: [value for value in values if value is not None] for name, values in results["samples"].items()
    }
    figure, axes = plt.subplots(2, 2, figsize=(12, 8))
    _bars(axes[0][0], samples, "drain_creates.{}.rate", "Drain of creates: commands/s")
    _bars(axes[0][1], samples, "rpc.{}.rate", "RPC, 64 in flight: answers/s")
    _visible(axes[1][0], samples)
    _cpu(axes[1][1], samples)
    machine = results["machine"]
    figure.suptitle(
        f"{results['command']} · {machine['cores']} cores, everything on one machine · {results['time'][:10]}"
    )
    figure.tight_layout()
    figure.savefig(sys.argv[2], dpi=110)


def _bars(axis: Any, samples: dict[str, list[float]], name: str, title: str) -> None:
    there = [system for system in SYSTEMS if samples.get(name.format(system))]
    values = [median(samples[name.format(system)]) for system in there]
    spread = [
        [value - min(samples[name.format(system)]) for system, value in zip(there, values, strict=True)],
        [max(samples[name.format(system)]) - value for system, value in zip(there, values, strict=True)],
    ]
    axis.set_visible(bool(there))
    bars = axis.bar(
        there, values, color=[COLOURS[system] for system in there], yerr=spread if there else None, capsize=4
    )
    axis.bar_label(bars, fmt="{:,.0f}", padding=3)
    axis.set_title(title)
    axis.margins(y=0.15)


def _visible(axis: Any, samples: dict[str, list[float]]) -> None:
    runs = [("naive", 100), ("ours", 200), ("ours", 1000), ("ours", 2000)]
    there = [(system, rate) for system, rate in runs if samples.get(f"visible.{system}.{rate}.p99_ms")]
    for offset, percentile in enumerate(("p50", "p99", "p999")):
        values = [median(samples[f"visible.{system}.{rate}.{percentile}_ms"]) for system, rate in there]
        places = [number + (offset - 1) * 0.27 for number in range(len(there))]
        axis.bar_label(axis.bar(places, values, 0.25, label=percentile), fmt="{:.0f}", fontsize=8)
    axis.set_xticks(range(len(there)), [f"{system}\n{rate}/s" for system, rate in there])
    axis.set_title("Publish → visible: ms, from when it was due")
    axis.set_visible(bool(there))
    if there:
        axis.set_yscale("log")
        axis.legend()


def _cpu(axis: Any, samples: dict[str, list[float]]) -> None:
    runs = [(f"{rate}/s", f"cpu.ours.{rate}.ms") for rate in (200, 1000, 2000)]
    runs.append(("drain", "drain_creates.ours.cpu_ms"))
    there = [(label, name) for label, name in runs if samples.get(name)]
    below = [0.0] * len(there)
    for process in PROCESSES:
        values = [median(samples.get(f"{name}.{process}") or [0.0]) for _, name in there]
        axis.bar([label for label, _ in there], values, bottom=below, label=process)
        below = [one + other for one, other in zip(below, values, strict=True)]
    axis.set_title("Ours: CPU per command by process, ms")
    axis.set_visible(bool(there))
    if there:
        axis.legend()


if __name__ == "__main__":
    main()
