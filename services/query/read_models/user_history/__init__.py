"""What happened to each user: for `GetUserHistory`."""

from services.query.read_model import FoldedModel
from services.query.read_models.user_history.entries import entries
from services.query.read_models.user_history.projection import project

USER_HISTORY = FoldedModel(
    name="user_history",
    aggregate_type="user",
    project=project,
    details=entries,
    entries_by="user_id",
    linger_seconds=0.13,
)
