"""One index for each order × filter of `GetAllUsers` (each serves both directions), and one for the e-mail address.

`email_key` is not unique: when an address moves from one user to another, the two events may arrive in either order.
"""

from pymongo import ASCENDING, IndexModel

INDEXES = (
    IndexModel([("email_key", ASCENDING)], name="email_key"),
    IndexModel([("created_at", ASCENDING), ("_id", ASCENDING)], name="created_at"),
    IndexModel([("name_key", ASCENDING), ("_id", ASCENDING)], name="name_key"),
    IndexModel([("status", ASCENDING), ("created_at", ASCENDING), ("_id", ASCENDING)], name="status_created_at"),
    IndexModel([("status", ASCENDING), ("name_key", ASCENDING), ("_id", ASCENDING)], name="status_name_key"),
)
