"""Users as they are now: for `GetUserById`, `GetUserByEmail` and `GetAllUsers`."""

from services.query.read_model import FoldedModel
from services.query.read_models.users.indexes import INDEXES
from services.query.read_models.users.projection import project

USERS = FoldedModel(
    name="users",
    aggregate_type="user",
    project=project,
    followed=True,
    linger_seconds=0.0075,
    busy=1000.0,
    takes_turns=False,
    indexes=INDEXES,
)
