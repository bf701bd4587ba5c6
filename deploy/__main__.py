"""`python3 -m deploy COMMAND`: what the Makefile calls. Starts with any Python 3, to say which one is needed."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - the very message for those who run an older one
    sys.exit(
        f"Python 3.11 or later is needed and this is {sys.version.split()[0]}: install one (python3.11 or newer), "
        "or name it: make PYTHON=/path/to/python3 ..."
    )

from deploy.command_line import main

main()
