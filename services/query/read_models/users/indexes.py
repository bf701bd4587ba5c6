"""One index for each order of `GetAllUsers` (each serves both directions), and one for the e-mail address.

Lists of everybody go along the same index as those of one status, from status to status: MongoDB merges the two in
order, and each create has two entries less to make than with an index for these, too.

`email_key` is not unique: when an address moves from one user to another, the two events may arrive in either order.
"""

from pymongo import ASCENDING, IndexModel

INDEXES = (
    IndexModel([("email_key", ASCENDING)], name="email_key"),
    IndexModel([("status", ASCENDING), ("created_at", ASCENDING), ("_id", ASCENDING)], name="status_created_at"),
    IndexModel([("status", ASCENDING), ("name_key", ASCENDING), ("_id", ASCENDING)], name="status_name_key"),
)
