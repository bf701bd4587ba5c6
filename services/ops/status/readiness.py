"""Is a service ready, by its own word?"""

from dataclasses import dataclass, field

import aiohttp
from pydantic import BaseModel, ValidationError

PATIENCE = aiohttp.ClientTimeout(total=3.0)


@dataclass(frozen=True)
class Readiness:
    """`troubles` by the name of the check; `unreachable` says why nobody answered. `notes` are of what somebody wanted
    and should not forget, such as a paused read model.
    """

    ready: bool
    troubles: dict[str, str] = field(default_factory=dict)
    unreachable: str | None = None
    notes: dict[str, str] = field(default_factory=dict)


async def readiness(base_url: str) -> Readiness:
    """Asks `/readyz`."""
    try:
        async with aiohttp.ClientSession(timeout=PATIENCE) as http, http.get(f"{base_url.rstrip('/')}/readyz") as reply:
            report = _Report.model_validate_json(await reply.read())
    except (aiohttp.ClientError, TimeoutError, OSError):
        return Readiness(ready=False, unreachable=f"nobody answers at {base_url}")
    except ValidationError:
        return Readiness(ready=False, unreachable=f"something else answers at {base_url}")
    troubles = {name: trouble for name, trouble in report.checks.items() if trouble is not None}
    return Readiness(report.ready, troubles, notes=report.notes)


class _Report(BaseModel):
    ready: bool
    checks: dict[str, str | None]
    notes: dict[str, str] = {}
