"""Why a command of `cqrs` ends early."""

from services.ops.exit_code import ExitCode


class OpsError(Exception):
    """One line for the operator, and the exit code."""

    def __init__(self, message: str, exit_code: ExitCode) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class UsageError(OpsError):
    """The call is wrong; the message says how to put it right."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ExitCode.USAGE)
