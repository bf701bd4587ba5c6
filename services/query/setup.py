"""`python -m services.query.setup`: makes MongoDB ready for the query service. Does no harm when done again."""

import argparse
import sys

from services.query.mongo.setup import set_up
from services.query.settings import SetupSettings
from shared.runtime.run import run_job


def main() -> int:
    argparse.ArgumentParser(
        prog="python -m services.query.setup",
        description="Makes MongoDB ready for the query service: initiates the replica set where that is needed, waits "
        "for its primary, makes or updates the service's user, and creates the indexes. Safe to repeat.",
        epilog="Settings come from the environment: QUERY_SETUP_MONGO_URL (the administrator's) and, optionally, "
        "QUERY_SETUP_MONGO_PASSWORD, QUERY_SETUP_SERVICE_PASSWORD (none: no user is made), QUERY_SETUP_SERVICE_USER "
        "(query), QUERY_SETUP_DATABASE (cqrs), QUERY_SETUP_MEMBER_HOST (host:port of the replica set's member; the "
        "URL's by default), QUERY_SETUP_WAIT_SECONDS (60). NAME_FILE names a file that holds the value of NAME. "
        "Exit codes: 0 done, 1 failed, 2 bad settings.",
    ).parse_args()
    return run_job(SetupSettings, set_up)


if __name__ == "__main__":
    sys.exit(main())
