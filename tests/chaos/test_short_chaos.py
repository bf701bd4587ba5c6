"""A short form of `make chaos`, of a fixed seed: a handful of fault classes, each alone, on three processes each."""

from pathlib import Path

import pytest

from tests.chaos.faults.catalogue import CATALOGUE, chosen
from tests.chaos.history import History
from tests.chaos.run import Plan, run
from tests.support.stack import own_servers

FEW = (
    "kill-command-after-commit",
    "kill-query-before-ack",
    "postgres-backends-terminated",
    "broker-connections-closed",
    "network-cut-mongo",
)


@pytest.mark.timeout(480)  # takes less than two minutes; one core of a busy machine takes four
async def test_every_promise_holds_while_a_handful_of_faults_strike(tmp_path: Path) -> None:
    plan = Plan(seed=7, minutes=1.0, faults=chosen(FEW), mixed=False)

    with History(tmp_path / "history.jsonl") as history, own_servers(command_replicas=3, query_replicas=3) as servers:
        ledger = await run(servers, plan, history)

    assert not ledger.violations, str(ledger)
    assert len(history.confirmed) > 500


def test_a_beginning_of_a_name_chooses_every_fault_that_has_it() -> None:
    assert set(chosen(["suspend", "kill-mongo"])) == {
        *("suspend-command", "suspend-query", "suspend-rabbitmq", "suspend-postgres", "suspend-mongo"),
        "kill-mongo",
    }
    assert chosen([]) == CATALOGUE
    assert set(chosen(["kill-m", "kill-query", "-kill-query-before"])) == {"kill-mongo", "kill-query"}
    assert set(CATALOGUE) - set(chosen(["-suspend", "-broker"])) >= {"suspend-query", "broker-memory-alarm"}
    with pytest.raises(ValueError, match="there is no fault earthquake: choose from"):
        chosen(["earthquake"])
