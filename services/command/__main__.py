"""`python -m services.command`: see main.py."""

import sys

from shared.runtime.early_stop import stop_at_once_until_started

if __name__ == "__main__":
    stop_at_once_until_started()
    from services.command.main import main

    sys.exit(main())
