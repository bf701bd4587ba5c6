"""Ids made in C are the ids that everybody else knows."""

from uuid import UUID, uuid4

import pytest

from services.command.ids import new_id, read_id

VERSION = 7


def test_a_new_id_is_a_uuid_of_version_7_and_later_ones_are_greater() -> None:
    ids = [new_id() for _ in range(1000)]
    assert all(isinstance(id_, UUID) and id_.version == VERSION for id_ in ids)
    assert ids == sorted(set(ids))


def test_an_id_that_was_read_stands_for_the_same_key() -> None:
    other = uuid4()
    read = read_id(str(other).upper())
    assert {other: "found"}[read] == "found"
    assert (str(read), read.bytes) == (str(other), other.bytes)


def test_what_is_no_uuid_is_refused() -> None:
    with pytest.raises(ValueError, match="invalid UUID"):
        read_id("x" * 36)
