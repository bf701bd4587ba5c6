"""CPU time and memory of processes, from /proc (https://man7.org/linux/man-pages/man5/proc.5.html)."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.native.processes import descendants


@dataclass(frozen=True)
class Usage:
    """By name: seconds of CPU since the process began (user and system, of its descendants too, living or reaped), and
    resident memory in MB (of 10⁶ bytes).
    """

    cpu_seconds: Mapping[str, float]
    rss_mb: Mapping[str, float]

    def cpu_since(self, earlier: "Usage") -> dict[str, float]:
        return {name: seconds - earlier.cpu_seconds[name] for name, seconds in self.cpu_seconds.items()}


def usage(pids: Mapping[str, int]) -> Usage:
    """Raises FileNotFoundError when one of the processes is gone."""
    trees = {name: [pid, *descendants(pid)] for name, pid in pids.items()}
    return Usage(
        {name: sum(_cpu(pid, needed=pid == pids[name]) for pid in tree) for name, tree in trees.items()},
        {name: sum(_rss(pid) for pid in tree) for name, tree in trees.items()},
    )


def cpu_seconds(stat: str, ticks_per_second: int) -> float:
    """From the text of /proc/PID/stat: utime, stime, cutime and cstime."""
    fields = stat.rpartition(")")[2].split()
    return sum(int(ticks) for ticks in fields[11:15]) / ticks_per_second


def rss_mb(status: str) -> float:
    """From the text of /proc/PID/status; 0 for a process without memory of its own."""
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def _cpu(pid: int, *, needed: bool) -> float:
    try:
        return cpu_seconds(Path(f"/proc/{pid}/stat").read_text(), os.sysconf("SC_CLK_TCK"))
    except (FileNotFoundError, ProcessLookupError):
        if needed:
            raise
        return 0.0  # its parent has its time now


def _rss(pid: int) -> float:
    try:
        return rss_mb(Path(f"/proc/{pid}/status").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
