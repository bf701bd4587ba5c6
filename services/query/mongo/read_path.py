"""Which way documents are read by id."""

from enum import StrEnum


class ReadPath(StrEnum):
    """Both read the same; they differ in what a question costs."""

    FAST = "fast"
    """On a connection of its own to the primary (see PrimaryReader)."""
    PLAIN = "plain"
    """By pymongo."""
