"""What an operator tells the query service to do with its read models; for the exchange `projection-control` only.

Each is asked as a query is, and answered with an `Answered` or a `Failed` (shared/contracts/answer.py).
"""

from shared.contracts.control.heal_aggregate import HealAggregate, Healing, ParkedBecause
from shared.contracts.control.projection_control import ProjectionControl
from shared.contracts.control.projections import PROJECTION_CONTROLS

_ALL: tuple[type[ProjectionControl], ...] = (HealAggregate, *PROJECTION_CONTROLS)
CONTROLS: dict[str, type[ProjectionControl]] = {control.type: control for control in _ALL}

__all__ = ["CONTROLS", "HealAggregate", "Healing", "ParkedBecause", "ProjectionControl"]
