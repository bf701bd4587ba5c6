"""Users by the words of their names and e-mail addresses: for `SearchUsers`."""

from services.query.read_model import FoldedModel
from services.query.read_models.user_directory.indexes import INDEXES
from services.query.read_models.user_directory.projection import project

USER_DIRECTORY = FoldedModel(
    name="user_directory", aggregate_type="user", project=project, linger_seconds=0.09, indexes=INDEXES
)
