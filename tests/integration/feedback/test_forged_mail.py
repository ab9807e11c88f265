"""Mail that proves nothing changes nothing: kept and listed, until an operator believes it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.returned_mail import plain_mail, returned_headers, status_report
from tests.integration.feedback.feedback_stage import FeedbackStage
from tests.integration.feedback.mailroom import FORGERIES, Mailroom

from newsletter.clock import SettableClock
from newsletter.feedback.unbelieved import count_unbelieved, list_unbelieved
from newsletter.settings.feedback_parts import Believe


@pytest.fixture
def room(tmp_path: Path, clock: SettableClock) -> Mailroom:
    return Mailroom(FeedbackStage(tmp_path, clock))


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_mail_changes_nothing_and_is_kept_and_listed(room: Mailroom, name: str) -> None:
    mail, before = FORGERIES[name](room), room.standing()

    taken = room.take(mail)

    assert room.stage.suppressed() == {}
    assert room.standing() == before
    assert (taken.handled, taken.new) == (False, 1)
    assert (room.kept / taken.kept).read_bytes() == mail
    with room.stage.database.read() as connection:
        (listed,) = list_unbelieved(connection, limit=10)
        assert sum(count_unbelieved(connection).values()) == 1
    assert listed.kept == taken.kept
    assert listed.why
    (event,) = room.stored()
    assert event.believed is False
    assert event.applied_at is not None


def test_what_is_kept_is_for_its_owner_alone(room: Mailroom) -> None:
    taken = room.take(plain_mail("A question", body="Who writes this?"))

    assert not taken.handled
    assert room.kept.stat().st_mode & 0o777 == 0o700
    assert (room.kept / taken.kept).stat().st_mode & 0o777 == 0o600
    assert [one.name for one in room.kept.iterdir()] == [taken.kept]
    assert room.stored()[0].address is None


def test_a_believing_mailbox_takes_an_address_for_its_reader(room: Mailroom) -> None:
    taken = room.take(status_report("reader4@example.org"), Believe.ADDRESS)

    assert taken.handled
    assert room.stage.suppressed() == {"reader4@example.org": "hard_bounce"}
    assert room.stage.row(4) == ("bounced", "hard")


def test_a_message_id_is_enough_where_the_operator_says_so(room: Mailroom) -> None:
    returned = returned_headers(message_id=room.message_id(4))

    room.take(status_report("reader4@example.org", returned=returned), Believe.NAMED)
    room.take(status_report("reader5@example.org"), Believe.NAMED)

    assert room.stage.suppressed() == {"reader4@example.org": "hard_bounce"}


def test_even_a_believing_mailbox_does_not_take_what_contradicts_itself(room: Mailroom) -> None:
    room.take(status_report("reader4@example.org", to=room.path(2)), Believe.ADDRESS)

    assert room.stage.suppressed() == {}


def test_a_kept_mail_that_the_operator_believes_takes_effect(room: Mailroom) -> None:
    kept = room.take(status_report("reader4@example.org")).kept
    mail = (room.kept / kept).read_bytes()

    again = room.take(mail)
    believed = room.take(mail, Believe.ADDRESS)
    once_more = room.take(mail, Believe.ADDRESS)

    assert (again.new, again.known, again.turned) == (0, 1, 0)
    assert (believed.new, believed.known, believed.turned) == (0, 0, 1)
    assert (once_more.new, once_more.known, once_more.turned) == (0, 1, 0)
    assert room.stage.suppressed() == {"reader4@example.org": "hard_bounce"}
    with room.stage.database.read() as connection:
        assert list_unbelieved(connection, limit=10) == []


def test_a_believed_event_does_not_become_doubted_again(room: Mailroom) -> None:
    mail = status_report("reader4@example.org")
    room.take(mail, Believe.ADDRESS)

    room.take(mail)

    (event,) = room.stored()
    assert event.believed is True
    assert room.stage.suppressed() == {"reader4@example.org": "hard_bounce"}
