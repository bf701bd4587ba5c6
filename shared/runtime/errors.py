"""Why a program could not start."""

from shared.runtime.urls import redacted


class StartupError(Exception):
    """The service can't start; the message is one line for an operator that says what to do, without any secret."""


def in_one_line(error: BaseException) -> str:
    """The error for an operator: its first line, without passwords of URLs; its type where it says nothing."""
    if isinstance(error, BaseExceptionGroup):
        return in_one_line(error.exceptions[0])
    lines = str(error).strip().splitlines()
    text = redacted(lines[0]) if lines else ""
    if isinstance(error, StartupError):
        return text
    name = type(error).__name__
    return f"{name}: {text}" if text else name
