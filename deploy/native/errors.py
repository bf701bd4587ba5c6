"""The error that a person reads."""


class StackError(Exception):
    """Something the person at the keyboard can mend. `str(error)` is one clear line that says what to do.

    `details` are lines worth showing below it, such as the end of a log.
    """

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.details = details
