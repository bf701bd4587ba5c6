"""Background processes told apart by pid file: a file that outlived its process, or whose pid now belongs to another
process, counts as not running.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from deploy.native.errors import StackError

_children: dict[int, subprocess.Popen[bytes]] = {}  # so that our own dead children are reaped, and their exit code kept
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_LOG_LIMIT = 32 * 1024 * 1024


def start(argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, pid_file: Path, log: Path) -> int:
    """Starts `argv` in a session of its own, output appended to `log`; gives its pid."""
    if log.exists() and log.stat().st_size > _LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))
    with log.open("ab") as output:
        try:
            process = subprocess.Popen(
                argv,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        except OSError as error:
            raise StackError(f"can't run {argv[0]}: {error.strerror}") from None
    _children[process.pid] = process
    identity = {"pid": process.pid, "started": _start_time(process.pid), "boot": _BOOT_ID.read_text().strip()}
    pid_file.write_text(json.dumps(identity) + "\n")
    return process.pid


def running(pid_file: Path) -> int | None:
    """The pid, or None when that very process isn't running any more."""
    try:
        identity = json.loads(pid_file.read_text())
        pid = int(identity["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    exit_code(pid)
    same = identity["boot"] == _BOOT_ID.read_text().strip() and identity["started"] == _start_time(pid)
    return pid if same else None


def exit_code(pid: int) -> int | None:
    """Exit code of a process that this one started (−9: killed by signal 9); None while it runs or when unknown."""
    child = _children.get(pid)
    return child.poll() if child else None


def send(pid: int, number: signal.Signals) -> None:
    """Sends the signal to the process and all its descendants: PostgreSQL's backends, Erlang's helpers."""
    for each in [pid, *descendants(pid)]:
        try:
            os.kill(each, number)
        except ProcessLookupError:
            continue


def stop(pid_files: Iterable[tuple[Path, signal.Signals]], grace: float) -> list[Path]:
    """Asks all to end at once, each by its own signal, waits up to `grace` seconds, then kills what is left.

    Gives the pid files of those that had to be killed.
    """
    asked = [(file, pid, signal_) for file, signal_ in pid_files if (pid := running(file))]
    for _, pid, signal_ in asked:
        _send_one(pid, signal_)
        send(pid, signal.SIGCONT)  # a stopped process would never see the signal
    deadline = time.monotonic() + grace
    while any(running(file) for file, _, _ in asked) and time.monotonic() < deadline:
        time.sleep(0.05)
    killed = [file for file, _, _ in asked if running(file)]
    for file, pid, _ in asked:
        if file in killed:
            send(pid, signal.SIGKILL)
            wait_gone(file, 10)
    for file, _, _ in asked:
        file.unlink(missing_ok=True)
    return killed


def wait_gone(pid_file: Path, timeout: float) -> bool:
    """True when the process is gone within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while running(pid_file):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def descendants(pid: int) -> list[int]:
    """Children, grandchildren … that are alive now."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found: list[int] = []
    queue = [pid]
    while queue:
        queue = [child for parent in queue for child in children.get(parent, [])]
        found += queue
    return found


def uptime(pid: int) -> float:
    """Seconds since the process started; 0 when it is gone."""
    started = _start_time(pid)
    now = float(Path("/proc/uptime").read_text().split()[0])
    return now - started / os.sysconf("SC_CLK_TCK") if started else 0.0


def tail(log: Path, lines: int = 15) -> str:
    try:
        with log.open("rb") as opened:
            opened.seek(max(0, log.stat().st_size - 16384))
            text = opened.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def _send_one(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _start_time(pid: int) -> int | None:
    """Clock ticks from boot to the start of the process; None when it is gone or a zombie.

    A zombie with threads left is still ending: until they are gone, so are not its files and ports.
    """
    fields = _stat(pid)
    if not fields or (fields[0] in "ZX" and int(fields[17]) <= 1):
        return None
    return int(fields[19])


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the third on (state, ppid, …); the second may hold spaces and brackets."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
