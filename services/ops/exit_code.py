"""What the exit code of `cqrs` says."""

from enum import IntEnum


class ExitCode(IntEnum):
    OK = 0
    NO = 1
    """The command was rejected, the answer is an error, or not all that was asked for could be done."""
    USAGE = 2
    """The call is wrong: an unknown type, a field against the contract, a setting that is missing."""
    UNREACHABLE = 3
    """No connection, or nothing came back in time."""
    DEGRADED = 4
    """`cqrs status`: something does not work as it should."""
    INTERRUPTED = 130


EXIT_CODES = (
    "Exit codes: 0 done, 1 rejected, an error answer or not all done, 2 a wrong call or a message against the "
    "contract, 3 broker not reachable or nothing came back in time, 4 degraded (cqrs status), 130 interrupted."
)
