"""Rounds are drawn from a seed and a number, so that one that failed can be played again."""

from __future__ import annotations

from tests.chaos.plans import MIXED, PROVIDERS, Blow, Plan, choose_rounds, courses, plan_round


def test_the_same_seed_and_number_give_the_same_round() -> None:
    assert plan_round(7, 17) == plan_round(7, 17)
    assert plan_round(7, 17) != plan_round(8, 17)


def test_every_provider_meets_every_trouble_it_can_have() -> None:
    wanted = {(p, t) for p in PROVIDERS for t in (*map(str, Blow), MIXED)}
    impossible = {("outbox", "server"), ("outbox", "faults")}

    assert set(courses()) == wanted - impossible
    assert {(p.provider, p.trouble) for p in plans(len(courses()))} == wanted - impossible


def plans(count: int) -> list[Plan]:
    return [plan_round(1, number) for number in range(1, count + 1)]


def test_a_choice_of_rounds_keeps_their_numbers() -> None:
    chosen = choose_rounds(5, ["smtp"], ["kill", "lock"])

    assert len(set(chosen)) == 5
    assert {plan_round(3, number).provider for number in chosen} == {"smtp"}
    assert {plan_round(3, number).trouble for number in chosen} == {"kill", "lock"}
    assert choose_rounds(5) == [1, 2, 3, 4, 5]


def test_no_round_comes_of_a_trouble_that_a_provider_cannot_have() -> None:
    assert choose_rounds(5, ["outbox"], ["server"]) == []


def test_blows_fall_at_all_times_and_some_are_deadly() -> None:
    strikes = [strike for plan in plans(300) for strike in plan.strikes]

    assert {strike.moment.by_messages for strike in strikes} == {True, False}
    assert min(strike.moment.share for strike in strikes) < 0.05
    assert max(strike.moment.share for strike in strikes) > 0.94
    assert {strike.deadly for strike in strikes} == {True, False}
