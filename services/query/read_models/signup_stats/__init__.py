"""Sign-ups, deactivations and active users, counted by day: for `GetSignupStats`."""

from services.query.read_model import FoldedModel
from services.query.read_models.signup_stats.counting import increments
from services.query.read_models.signup_stats.projection import project

SIGNUP_STATS = FoldedModel(
    name="signup_stats", aggregate_type="user", project=project, details=increments, linger_seconds=0.11
)
