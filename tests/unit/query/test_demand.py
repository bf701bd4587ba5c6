from typing import Any

import pytest

from services.query.freshness.demand import Demand, InvalidDemandError, read_demand
from shared.contracts.consistency_token import ConsistencyToken


def test_without_headers_any_state_will_do() -> None:
    assert read_demand({"traceparent": "00-…"}) == Demand((), 1.0, waits=False)


def test_tokens_and_the_longest_wait() -> None:
    demand = read_demand({"consistency-token": "user/alice@3, user/bob@1", "max-wait-ms": 250})

    assert demand.tokens == (ConsistencyToken("user", "alice", 3), ConsistencyToken("user", "bob", 1))
    assert (demand.max_wait, demand.waits) == (0.25, True)


@pytest.mark.parametrize(("header", "seconds"), [(0, 0.0), ("1500", 1.5), (30_000, 30.0), (10**9, 30.0)])
def test_a_wait_is_cut_to_thirty_seconds(header: object, seconds: float) -> None:
    assert read_demand({"max-wait-ms": header}).max_wait == seconds


@pytest.mark.parametrize("header", [-1, 1.5, True, "soon", "-5", "", "9" * 400, [1000], {"$gt": 0}, b"1000"])
def test_a_wait_that_is_no_time_is_refused_by_its_name(header: Any) -> None:
    with pytest.raises(InvalidDemandError, match=r"^max-wait-ms: "):
        read_demand({"max-wait-ms": header})


@pytest.mark.parametrize(("header", "seconds"), [(0, 0.0), ("1500", 1.5), (3_600_000, 3600.0)])
def test_how_far_behind_an_answer_may_be(header: object, seconds: float) -> None:
    assert read_demand({"max-staleness-ms": header}) == Demand(max_staleness=seconds)


@pytest.mark.parametrize("header", [-1, 1.5, True, "fresh", ""])
def test_a_staleness_that_is_no_time_is_refused_by_its_name(header: Any) -> None:
    with pytest.raises(InvalidDemandError, match=r"^max-staleness-ms: "):
        read_demand({"max-staleness-ms": header})


@pytest.mark.parametrize("header", ["", "alice@3", "user/alice@", "user/alice@-1", 3, ["user/alice@3"], b"user/a@1"])
def test_a_token_that_is_none_is_refused_by_its_name(header: Any) -> None:
    with pytest.raises(InvalidDemandError, match=r"^consistency-token: "):
        read_demand({"consistency-token": header})
