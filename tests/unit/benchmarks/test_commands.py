"""Everybody gets the same commands, and our services take them as the contract has them."""

from shared.contracts.commands import CreateUser, UpdateUserEmail
from tests.benchmarks.commands import creates, updates
from tests.benchmarks.drain import Drained
from tests.benchmarks.sections.drains import cpu_bound_share
from tests.benchmarks.sections.growth import mixed


def test_creates_are_of_different_users_with_different_addresses() -> None:
    commands = creates(1000, "a") + creates(1000, "b")
    assert len({command.user_id for command in commands}) == 2000
    assert len({command.body["email"] for command in commands}) == 2000
    assert len({command.id for command in commands}) == 2000
    assert all(CreateUser.model_validate(command.body).user_id == command.user_id for command in commands)


def test_updates_are_of_the_same_users_in_another_order_and_change_the_address() -> None:
    new = creates(500, "a")
    changed = updates(new)
    assert [command.user_id for command in changed] != [command.user_id for command in new]
    assert {command.user_id for command in changed} == {command.user_id for command in new}
    assert {command.version for command in changed} == {2}
    addresses = {UpdateUserEmail.model_validate(command.body).new_email for command in changed}
    assert len(addresses) == 500
    assert not addresses & {command.body["email"] for command in new}


def test_growth_mixes_creates_with_updates_of_other_users_in_each_round() -> None:
    rounds = [mixed(200, 1500, number, f"r{number}") for number in range(5)]
    commands = [command for each in rounds for command in each.measured]
    assert len(commands) == 1000
    assert [command.type for command in commands].count("UpdateUserEmail") == 500
    assert len({command.user_id for command in commands}) == 1000
    assert {command.version for command in commands if command.type == "UpdateUserEmail"} == {2}


def test_growth_warms_up_with_updates_of_others_than_it_measures() -> None:
    rounds = [mixed(200, 1500, number, f"r{number}") for number in range(5)]
    warm_up = [command for each in rounds for command in each.warm_up]
    assert {command.type for command in warm_up} == {"UpdateUserEmail"}
    assert len({command.user_id for command in warm_up}) == len(warm_up) == 1000
    assert not {command.user_id for command in warm_up} & {each.user_id for one in rounds for each in one.measured}


def test_with_fewer_users_than_updates_every_user_is_updated_as_often() -> None:
    work = mixed(200, 50, 3, "r3")
    assert len(work.measured) == 200
    assert len({command.user_id for command in work.measured if command.type == "UpdateUserEmail"}) == 50
    versions: dict[str, list[int]] = {}
    for command in [*work.warm_up, *work.measured]:
        versions.setdefault(command.user_id, []).append(command.version)
    assert sorted(map(tuple, versions.values())) == [(1,)] * 150 + [(2, 3, 4)] * 50


def test_users_are_made_anew_once_all_have_been_updated() -> None:
    assert [mixed(200, 700, number, "").anew for number in range(6)] == [True, False] * 3
    assert all(mixed(200, 299, number, "").anew for number in range(3))


def test_a_drain_that_never_waits_is_bound_by_the_cores() -> None:
    busy = Drained("ours", 10_000, 5.0, {"command": 0.4, "query": 0.6}, {})
    assert busy.rate == 2000.0
    assert cpu_bound_share(busy, cores=2) == 1.0
    assert cpu_bound_share(busy, cores=4) == 0.5
