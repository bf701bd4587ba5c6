"""Which way messages take between the socket and us."""

from enum import StrEnum


class TransportPath(StrEnum):
    """Both keep the same promises (`tests/integration/messaging`); they differ in what a message costs."""

    FAST = "fast"
    """Read and written in batches, around aiormq (see FastChannel)."""
    PLAIN = "plain"
    """Through aiormq, a frame at a time (see PlainChannel)."""
