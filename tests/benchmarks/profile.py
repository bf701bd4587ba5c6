"""`python -m tests.benchmarks.profile`: a drain under py-spy, which leaves a flame graph of each Python process."""

import argparse
import asyncio
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

from deploy.native.layout import ROOT
from tests.benchmarks.commands import creates, updates
from tests.benchmarks.drain import drain
from tests.benchmarks.ours import Ours
from tests.benchmarks.scale import Scale
from tests.benchmarks.session import Reporter, end_as_by_hand, session
from tests.support.stack import own_servers

FOLDER = ROOT / ".native" / "profile"
SUFFIXES = {"flamegraph": "svg", "speedscope": "json", "raw": "txt"}
PY_SPY = Path(sys.executable).parent / "py-spy"


class Recorders:
    """py-spy, attached to each service while a drain runs. Root, or ptrace rights, are needed."""

    def __init__(self, drain_: str, format_: str, *, native: bool) -> None:
        self._name = drain_
        self._options = ["--format", format_, "--rate", "250", *(["--native"] if native else [])]
        self._suffix = SUFFIXES[format_]
        self._running: dict[Path, subprocess.Popen[bytes]] = {}

    def attach(self, ours: Ours) -> None:
        for service in ("command", "query"):
            pid = ours.native.pid(f"{service}-1")
            file = FOLDER / f"{self._name}-{service}.{self._suffix}"
            argv = [str(PY_SPY), "record", *self._options, "--output", str(file), "--pid", str(pid)]
            self._running[file] = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def finish(self) -> list[Path]:
        """Raises RuntimeError with what py-spy said when it left nothing."""
        for process in self._running.values():
            process.send_signal(signal.SIGINT)
        for file, process in self._running.items():
            _, said = process.communicate(timeout=120)
            if not file.exists():
                raise RuntimeError(f"py-spy left no {file.name}: {said.decode(errors='replace')[-500:]}")
        return list(self._running)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.profile", description=__doc__)
    parser.add_argument("--commands", type=int, default=Scale().commands)
    parser.add_argument("--format", choices=SUFFIXES, default="flamegraph")
    parser.add_argument("--native", action="store_true", help="frames of extension modules, too; slower")
    given = parser.parse_args()
    end_as_by_hand()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with own_servers() as servers, Reporter() as reporter:
        servers.set_up()

        async def run() -> None:
            async with session(servers, Scale(), reporter, None, servers.layout.logs) as running:
                ours = running.ours
                await ours.reset()
                new = creates(given.commands, "profile")
                for name, commands in {"creates": new, "updates": updates(new)}.items():
                    recorders = Recorders(name, given.format, native=given.native)
                    done = await drain(ours, commands, reporter.step, at_work=partial(recorders.attach, ours))
                    files = await asyncio.to_thread(recorders.finish)
                    reporter.say(f"{name}: {done.rate:,.0f}/s under py-spy")
                    for file in files:
                        reporter.say(f"  {file.relative_to(ROOT)}")

        asyncio.run(run())


if __name__ == "__main__":
    main()
