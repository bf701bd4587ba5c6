"""Follows the work that the query service does on a read model."""

import asyncio
import sys
import time
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from services.ops.errors import OpsError
from services.ops.exit_code import ExitCode
from services.ops.parked.projection_control import Caller, told
from services.ops.terminal import note
from shared.contracts.answer import Failed
from shared.contracts.control.projections import GetProjectionJob, ProjectionJob

LOOK_SECONDS = 0.5
ASK_SECONDS = 5.0
PATIENCE_SECONDS = 120.0
"""For a query service that does not answer: it may be about to be started again, and goes on then."""
SAY_EVERY_SECONDS = 2.0


class Shown(Protocol):
    def show(self, job: ProjectionJob) -> None: ...


async def job_of(caller: Caller, model: str) -> ProjectionJob | None:
    """Raises OpsError."""
    answer = await told(caller, GetProjectionJob(model=model), timeout=ASK_SECONDS)
    if isinstance(answer, Failed):
        raise OpsError(answer.error.message, ExitCode.UNREACHABLE if answer.error.retryable else ExitCode.NO)
    return None if answer.data is None else ProjectionJob.model_validate(answer.data)


async def follow(caller: Caller, model: str, job: ProjectionJob) -> ProjectionJob:
    """Shows how far it has come until it has ended; gives it as it then is. Raises OpsError."""
    silent_since: float | None = None
    with progress_on_terminal(model, job.kind) as shown:
        while job.state == "running":
            shown.show(job)
            await asyncio.sleep(LOOK_SECONDS)
            try:
                job = await job_of(caller, model) or job
                silent_since = None
            except OpsError as error:
                silent_since = silent_since or time.monotonic()
                if error.exit_code is not ExitCode.UNREACHABLE or time.monotonic() - silent_since > PATIENCE_SECONDS:
                    raise
        shown.show(job)
    return job


class Bar:
    """A progress bar with rate and time left, on stderr."""

    def __init__(self, model: str, kind: str) -> None:
        self._title = f"{kind} {model}"
        self._phase = ""
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task(self._title, total=None)

    def show(self, job: ProjectionJob) -> None:
        counts = job.phase in ("filling", "verifying")
        if job.phase != self._phase:
            self._phase = job.phase
            self._progress.reset(self._task, description=f"{self._title}: {job.phase}", total=None)
        total = job.total if counts else None
        self._progress.update(self._task, completed=job.done if counts else 0, total=total)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()


class Lines:
    """Where nobody looks on: a line every now and then, on stderr."""

    def __init__(self, model: str, kind: str) -> None:
        self._title = f"{kind} {model}"
        self._said = time.monotonic()
        self._phase = "waiting"

    def show(self, job: ProjectionJob) -> None:
        if job.phase == self._phase and time.monotonic() - self._said < SAY_EVERY_SECONDS:
            return
        self._said, self._phase = time.monotonic(), job.phase
        of = f" {job.done} of {job.total}" if job.phase in ("filling", "verifying") else ""
        note(f"{self._title}: {job.phase}{of}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to be put away."""


def progress_on_terminal(model: str, kind: str) -> Bar | Lines:
    return Bar(model, kind) if sys.stderr.isatty() else Lines(model, kind)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text("" if not task.speed else f"{task.speed:,.0f} events/s", style="progress.data.speed")
