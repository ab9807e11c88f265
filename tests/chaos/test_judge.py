"""The judge itself before a court: each wrong is seen, and nothing right is called wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.chaos.judge import Copy, Evidence, Row, Run, judge


def rows(*states: str) -> tuple[Row, ...]:
    return tuple(Row(n, address(n), state) for n, state in enumerate(states, start=1))


def address(number: int) -> str:
    return f"reader{number}@example.org"


def copies(*numbers: int) -> tuple[Copy, ...]:
    return tuple(Copy(address(n), f"<{n}@example.org>") for n in numbers)


def seen(*states: str, status: str = "sent", policy: str = "hold") -> Evidence:
    return Evidence(policy, status, len(states), rows(*states), ())


def test_everybody_accepted_with_one_copy_each_is_good() -> None:
    verdict = judge(replace(seen("accepted", "accepted"), copies=copies(1, 2)))

    assert verdict.good
    assert (verdict.lost, verdict.doubled, verdict.unknown) == (0, 0, 0)


def test_accepted_without_a_copy_is_lost() -> None:
    verdict = judge(replace(seen("accepted", "accepted"), copies=copies(1)))

    assert verdict.lost == 1
    assert verdict.problems == ("lost: 1: subscribers 2 (accepted)",)


@pytest.mark.parametrize("state", ["pending", "claimed", "deferred"])
def test_whoever_still_waits_at_the_end_is_lost(state: str) -> None:
    assert judge(seen(state)).lost == 1


def test_unknown_is_named_and_not_lost_where_an_answer_was_lost() -> None:
    verdict = judge(
        replace(seen("unknown", status="sending"), lost_answers=frozenset({address(1)}))
    )

    assert verdict.good
    assert (verdict.lost, verdict.unknown) == (0, 1)


def test_more_unknown_than_were_on_the_wire_of_a_killed_process_is_a_problem() -> None:
    many = replace(seen("unknown", "unknown", "unknown", status="sending"), excuse=2)

    assert not judge(many).good
    assert judge(replace(many, excuse=3)).good


def test_a_second_copy_is_doubled_under_hold_even_after_a_lost_answer() -> None:
    twice = replace(
        seen("accepted"), copies=copies(1, 1), lost_answers=frozenset({address(1)}), excuse=1
    )

    assert judge(twice).doubled == 1
    assert not judge(twice).good


def test_a_second_copy_is_excused_under_retry_where_the_answer_was_lost() -> None:
    twice = replace(
        seen("accepted", policy="retry"), copies=copies(1, 1), lost_answers=frozenset({address(1)})
    )

    verdict = judge(twice)

    assert verdict.good
    assert (verdict.doubled, verdict.excused) == (0, 1)


def test_under_retry_a_third_copy_or_one_without_a_lost_answer_is_doubled() -> None:
    lost = frozenset({address(1)})
    thrice = replace(seen("accepted", policy="retry"), copies=copies(1, 1, 1), lost_answers=lost)
    unprovoked = replace(seen("accepted", policy="retry"), copies=copies(1, 1))

    assert judge(thrice).doubled == 1
    assert judge(unprovoked).doubled == 1


def test_a_second_copy_must_have_the_same_message_id() -> None:
    twice = (Copy(address(1), "<a@example.org>"), Copy(address(1), "<b@example.org>"))
    verdict = judge(
        replace(
            seen("accepted", policy="retry"), copies=twice, lost_answers=frozenset({address(1)})
        )
    )

    assert verdict.problems == ("1 recipients got copies with different Message-IDs",)


def test_two_recipients_never_share_a_message_id() -> None:
    same = (Copy(address(1), "<a@example.org>"), Copy(address(2), "<a@example.org>"))

    assert not judge(replace(seen("accepted", "accepted"), copies=same)).good


@pytest.mark.parametrize("state", ["pending", "deferred", "rejected", "skipped", "expired"])
def test_a_copy_that_the_ledger_denies_is_a_problem(state: str) -> None:
    verdict = judge(replace(seen(state, status="sending"), copies=copies(1), may_expire=True))

    assert verdict.problems == (
        f"a state that the provider's log denies: 1: subscribers 1 ({state})",
    )


@pytest.mark.parametrize("state", ["rejected", "skipped", "expired"])
def test_under_retry_a_second_way_may_end_otherwise_than_the_first(state: str) -> None:
    unsure = replace(
        seen(state, policy="retry"), copies=copies(1), lost_answers=frozenset({address(1)})
    )

    assert judge(unsure).good
    assert not judge(replace(unsure, policy="hold")).good


def test_rejected_needs_a_refusal() -> None:
    assert judge(seen("rejected")).lost == 1
    assert judge(replace(seen("rejected"), refused=frozenset({address(1)}))).good
    assert judge(replace(seen("rejected"), nameless=1)).good
    assert judge(replace(seen("rejected", "rejected"), nameless=1)).lost == 1


def test_skipped_needs_somebody_who_left_or_a_cancelled_campaign() -> None:
    assert judge(seen("skipped")).lost == 1
    assert judge(replace(seen("skipped"), left=frozenset({address(1)}))).good
    assert judge(seen("skipped", status="cancelled")).good


def test_expired_needs_a_clock_that_was_moved() -> None:
    assert judge(seen("expired")).lost == 1
    assert judge(replace(seen("expired"), may_expire=True)).good


def test_a_stranger_with_a_copy_is_a_problem() -> None:
    assert not judge(replace(seen("accepted"), copies=copies(1, 9))).good


def test_rows_that_do_not_add_up_to_the_recipients_are_a_problem() -> None:
    assert not judge(replace(seen("accepted"), copies=copies(1), recipients=2)).good


@pytest.mark.parametrize(
    ("run", "good"),
    [
        (Run("send", 0), True),
        (Run("send", 75, stopped=True), True),
        (Run("send", -9, killed=True), True),
        (Run("send", -9), False),
        (Run("send", -15, stopped=True), True),
        (Run("send", -15), False),
        (Run("send", 3), False),
        (Run("send", None, stopped=True), False),
        (Run("send", 1, stderr="Traceback (most recent call last):\nKeyError: 1"), False),
    ],
)
def test_how_a_command_may_end(run: Run, good: bool) -> None:
    assert judge(replace(seen("accepted"), copies=copies(1), runs=(run,))).good is good


def test_problems_name_nobody_by_address() -> None:
    verdict = judge(replace(seen("accepted", "pending"), copies=copies(1, 1, 9)))

    assert not any("@example.org" in problem for problem in verdict.problems)


def test_what_verify_finds_is_a_problem() -> None:
    verdict = judge(replace(seen("accepted"), copies=copies(1), verify=("I5: one claim",)))

    assert verdict.problems == ("verify: I5: one claim",)
