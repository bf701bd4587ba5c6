"""`cqrs status`: is everything up, and does anything wait or fail?"""

from services.ops.exit_code import ExitCode
from services.ops.rendering.status import status_json, status_text
from services.ops.settings import load_ops_settings
from services.ops.status.report import status_report
from services.ops.terminal import show, show_json


async def status(*, json: bool = False) -> ExitCode:
    """Readiness of the services, queues, outbox, dead letters, parked aggregates. Exit code 4 when degraded.

    Parameters
    ----------
    json
        One JSON document on stdout.
    """
    report = await status_report(load_ops_settings())
    if json:
        show_json(status_json(report))
    else:
        show(status_text(report))
    return ExitCode.DEGRADED if report.troubles else ExitCode.OK
