"""An edition that waits for a yes: asked in time, for one revision, and by default no (H7)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from tests.integration.schedule.keeping_stage import BROKEN, DUE, KeepingStage, a_digest

from newsletter.clock import SettableClock
from newsletter.errors import DeliveryError, TryAgainLater
from newsletter.schedule.keeping import decide
from newsletter.schedule.mistakes import ScheduleError
from newsletter.schedule.model import Edition, EditionStatus
from newsletter.schedule.schedules import update_schedule

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def stage(tmp_path: Path, clock: SettableClock) -> KeepingStage:
    stage = KeepingStage(tmp_path, clock)
    stage.schedule(approval=True, lead=30 * MINUTE, deadline=2 * HOUR)
    return stage


def test_operators_are_asked_the_lead_before_and_once(stage: KeepingStage) -> None:
    path = stage.write()
    before = stage.look(at=DUE - 31 * MINUTE)
    held = stage.look(at=DUE - 30 * MINUTE)
    stage.look(after=MINUTE)

    assert before is None
    assert held is not None
    assert (held.status, held.reason) == ("held", "it waits for an operator's yes")
    assert held.digest_slug == path.stem
    assert held.content_hash is not None
    assert held.asked_at == DUE - 30 * MINUTE
    assert [edition.id for edition in stage.asked] == [held.id]


def test_with_a_yes_it_is_fired_at_its_time(stage: KeepingStage) -> None:
    stage.write()
    stage.look(at=DUE - 20 * MINUTE)
    approved = stage.decide(yes=True)
    early = stage.look(after=MINUTE)
    fired = stage.look(at=DUE)

    assert (approved.status, approved.decided_by) == ("approved", "test")
    assert early == approved
    assert fired is not None
    assert (fired.status, fired.campaign) == ("fired", 1)
    assert fired.decided_by == "test"
    assert stage.alerts() == []


def test_a_late_yes_fires_it_at_once(stage: KeepingStage) -> None:
    stage.write()
    held = stage.look(at=DUE + HOUR)
    stage.decide(yes=True)
    fired = stage.look(after=MINUTE)

    assert held is not None
    assert held.status is EditionStatus.HELD
    assert fired is not None
    assert fired.status is EditionStatus.FIRED


def test_without_a_yes_it_is_missed_at_the_deadline_and_told(stage: KeepingStage) -> None:
    stage.write()
    stage.look(at=DUE)
    stage.look(at=DUE + 2 * HOUR - MINUTE)
    missed = stage.look(at=DUE + 2 * HOUR)

    assert missed is not None
    assert (missed.status, missed.reason) == (
        "missed",
        "no operator said yes before the deadline",
    )
    assert stage.alerts() == [
        "Waits for your yes: morning of 2026-11-24 to daily",
        "Missed: morning of 2026-11-24 to daily",
    ]
    with pytest.raises(ScheduleError, match="is missed"):
        stage.decide(yes=True)
    assert stage.sent() == []


def test_a_yes_behind_the_deadline_is_refused_though_nobody_has_looked(
    stage: KeepingStage,
) -> None:
    stage.write()
    stage.look(at=DUE)
    stage.clock.advance(2 * HOUR)

    with pytest.raises(ScheduleError, match="deadline"):
        stage.decide(yes=True)


def test_with_a_no_nothing_is_sent(stage: KeepingStage) -> None:
    stage.write()
    stage.look(at=DUE - 20 * MINUTE)
    cancelled = stage.decide(yes=False)
    again = stage.decide(yes=False)
    later = stage.look(at=DUE)

    assert (cancelled.status, cancelled.reason) == ("cancelled", "an operator said no")
    assert again == cancelled
    assert later == cancelled
    assert stage.sent() == []
    assert stage.alerts() == []
    with pytest.raises(ScheduleError, match="is cancelled"):
        stage.decide(yes=True)


def test_a_yes_is_for_the_revision_it_was_given_for(stage: KeepingStage) -> None:
    stage.write()
    stage.look(at=DUE - 20 * MINUTE)
    stage.decide(yes=True)
    stage.write(a_digest(story="Five towns agreed"))
    asked_anew = stage.look(at=DUE)
    first, second = stage.asked

    assert asked_anew is not None
    assert (asked_anew.status, asked_anew.decided_at) == ("held", None)
    assert first.content_hash != second.content_hash == asked_anew.content_hash
    assert stage.sent() == []
    with pytest.raises(ScheduleError, match="changed since"):
        decide(
            stage.database,
            asked_anew.id,
            True,
            stage.clock.now(),
            "test",
            revision=first.content_hash,
        )


def test_the_very_revision_that_comes_back_has_its_yes(stage: KeepingStage) -> None:
    path = stage.write()
    stage.look(at=DUE - 20 * MINUTE)
    stage.decide(yes=True)
    path.unlink()
    gone = stage.look(after=MINUTE)
    stage.write()
    back = stage.look(after=MINUTE)
    fired = stage.look(at=DUE)

    assert gone is not None
    assert gone.status is EditionStatus.WAITING
    assert back is not None
    assert back.status is EditionStatus.APPROVED
    assert fired is not None
    assert fired.status is EditionStatus.FIRED
    assert len(stage.asked) == 1


def test_nobody_is_asked_about_a_broken_digest(stage: KeepingStage) -> None:
    stage.write(BROKEN)
    waiting = stage.look(at=DUE - 20 * MINUTE)
    stage.write()
    held = stage.look(after=MINUTE)

    assert waiting is not None
    assert waiting.status is EditionStatus.WAITING
    assert stage.alerts() == ["Not ready: morning of 2026-11-24 to daily"]
    assert held is not None
    assert held.status is EditionStatus.HELD
    assert len(stage.asked) == 1


def test_a_digest_that_is_broken_after_the_yes_is_not_sent(stage: KeepingStage) -> None:
    stage.write()
    stage.look(at=DUE - 20 * MINUTE)
    stage.decide(yes=True)
    stage.write(BROKEN)
    stage.look(at=DUE)

    assert stage.of().status is EditionStatus.WAITING
    assert stage.sent() == []


def test_without_a_digest_there_is_nothing_to_approve(stage: KeepingStage) -> None:
    stage.look(at=DUE - 20 * MINUTE)

    with pytest.raises(ScheduleError, match="waits for no yes: there is no digest"):
        stage.decide(yes=True)


def test_what_was_fired_cannot_be_cancelled(stage: KeepingStage) -> None:
    stage.write()
    stage.look(at=DUE - 20 * MINUTE)
    stage.decide(yes=True)
    stage.look(at=DUE)

    with pytest.raises(ScheduleError, match="fired already, as campaign 1"):
        stage.decide(yes=False)


def test_a_schedule_that_needs_no_yes_any_more_fires_what_was_held(stage: KeepingStage) -> None:
    stage.write()
    stage.look(at=DUE - 20 * MINUTE)
    stage.change(update_schedule, approval=False)
    fired = stage.look(at=DUE)

    assert fired is not None
    assert fired.status is EditionStatus.FIRED


def test_a_yes_while_everybody_was_away_at_the_time_holds_within_the_grace(
    stage: KeepingStage,
) -> None:
    stage.write()
    stage.look(at=DUE - 20 * MINUTE)
    stage.decide(yes=True)
    fired = stage.look(at=DUE + 150 * MINUTE)

    assert fired is not None
    assert fired.status is EditionStatus.FIRED


def test_a_question_that_cannot_be_told_stops_no_look(stage: KeepingStage) -> None:
    def away(_edition: Edition) -> None:
        raise TryAgainLater("the server is away")

    stage.write()
    stage.clock.advance(DUE - stage.clock.now())
    looked = stage.keeper(on_asked=away).look()

    assert looked.troubles == []
    assert stage.of().status is EditionStatus.HELD


def test_settings_with_which_nothing_may_leave_are_trouble(
    stage: KeepingStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.write()
    monkeypatch.setenv("NEWSLETTER_SENDER__FROM_EMAIL", "")
    waiting = stage.look(at=DUE)
    monkeypatch.delenv("NEWSLETTER_SENDER__FROM_EMAIL")
    held = stage.look(after=MINUTE)

    assert waiting is not None
    assert waiting.reason == "'sender.from_email' is missing"
    assert held is not None
    assert held.status is EditionStatus.HELD


def test_the_next_instants_are_known(stage: KeepingStage) -> None:
    keeper = stage.keeper()
    stage.write()
    first = keeper.next_due()
    stage.look(at=DUE - 30 * MINUTE)
    second = keeper.next_due()
    stage.look(at=DUE)
    third = keeper.next_due()

    assert first == DUE - 30 * MINUTE
    assert second == DUE
    assert third == DUE + 2 * HOUR
    with pytest.raises(DeliveryError):
        keeper.run_now("evening", None, "test")
