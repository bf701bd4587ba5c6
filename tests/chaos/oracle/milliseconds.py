"""Times as MongoDB keeps them."""

from datetime import datetime


def milliseconds(moment: datetime) -> int:
    """Since 1970, cut and not rounded."""
    return int(moment.timestamp() * 1000)
