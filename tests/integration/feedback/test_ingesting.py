"""Mail that came back: what is proven happens to its reader, once, and to nobody else."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.returned_mail import (
    AT,
    complaint,
    plain_mail,
    returned_headers,
    status_report,
)
from tests.integration.feedback.feedback_stage import FeedbackStage
from tests.integration.feedback.mailroom import FORGERIES, Mailroom

from newsletter.clock import SettableClock
from newsletter.errors import StorageError
from newsletter.feedback.kept_mail import fingerprint, forget_kept_mail
from newsletter.settings.feedback_parts import Believe


@pytest.fixture
def room(tmp_path: Path, clock: SettableClock) -> Mailroom:
    return Mailroom(FeedbackStage(tmp_path, clock))


def test_a_proven_bounce_suppresses_its_reader_and_nobody_else(room: Mailroom) -> None:
    before = room.standing()

    taken = room.take(status_report("reader2@example.org", to=room.path(2)))

    assert (taken.handled, taken.new, taken.kept) == (True, 1, "")
    assert room.stage.suppressed() == {"reader2@example.org": "hard_bounce"}
    assert room.stage.row(2) == ("bounced", "hard")
    after = room.standing()
    assert {n: after[n] for n in (1, 3, 4, 5)} == {n: before[n] for n in (1, 3, 4, 5)}
    assert not room.kept.exists()
    assert room.stage.broken() == {}


def test_the_event_says_what_was_told_and_what_proves_it(room: Mailroom) -> None:
    room.stage.clock.advance(timedelta(hours=1))
    room.take(status_report("reader2@example.org", to=room.path(2), at=AT + timedelta(minutes=20)))

    (event,) = room.stored()
    assert (event.kind, event.bounce, event.reason) == ("bounced", "hard", "user_unknown")
    assert (event.provider, event.address, event.domain) == (
        "mail",
        "reader2@example.org",
        "example.org",
    )
    assert event.delivery == f"{room.campaign}-2"
    assert event.at == AT + timedelta(minutes=20)
    assert event.received_at == room.stage.clock.now()
    assert event.detail == {
        "proof": "proven",
        "why": "the return path",
        "evidence": "a status part",
        "reporting_mta": "mx.example.org",
        "address": "reader2@example.org",
        "status": "5.1.1",
        "action": "failed",
        "diagnostic": "550 5.1.1 told by a test",
        "list": room.stage.list_id,
        "source": "test",
    }


@pytest.mark.parametrize("at", [AT - timedelta(days=400), AT + timedelta(days=400)])
def test_a_date_that_cannot_be_is_not_taken(room: Mailroom, at: datetime) -> None:
    room.take(status_report("reader2@example.org", to=room.path(2), at=at))

    assert room.stored()[0].at == room.stage.clock.now()


def test_a_refusal_of_us_suppresses_nobody(room: Mailroom) -> None:
    room.take(status_report("reader2@example.org", to=room.path(2), status="5.7.1"))

    assert room.stored()[0].kind == "blocked"
    assert room.stage.suppressed() == {}
    assert room.stage.row(2) == ("bounced", "blocked")


def test_a_relay_is_no_delivery_and_a_delivery_is_one(room: Mailroom) -> None:
    def notice(action: str, reader: int) -> bytes:
        return status_report(
            f"reader{reader}@example.org", to=room.path(reader), status="2.0.0", action=action
        )

    room.take(notice("relayed", 1))
    room.take(notice("delivered", 2))
    room.take(status_report("reader3@example.org", to=room.path(3), action="delayed"))

    assert [(one.kind, one.delivery) for one in room.stored()] == [
        ("delivered", f"{room.campaign}-2"),
        ("deferred", f"{room.campaign}-3"),
    ]
    assert room.stage.row(1) == ("accepted", None)
    assert room.stage.row(2) == ("delivered", None)


def test_a_bounce_without_return_path_is_proven_by_the_returned_link(room: Mailroom) -> None:
    returned = returned_headers(message_id=room.message_id(3), token=room.token(3))

    room.take(status_report("reader3@example.org", returned=returned))

    assert room.stage.suppressed() == {"reader3@example.org": "hard_bounce"}
    assert room.stage.row(3) == ("bounced", "hard")


def test_a_forwarded_mail_that_bounces_suppresses_the_reader(room: Mailroom) -> None:
    returned = returned_headers(token=room.token(4))

    room.take(status_report("elsewhere@forward.example.net", to=room.path(2)))
    room.take(status_report("elsewhere@forward.example.net", returned=returned))

    assert room.stage.suppressed() == {
        "reader2@example.org": "hard_bounce",
        "reader4@example.org": "hard_bounce",
    }


def test_a_reader_who_complains_is_suppressed_and_leaves_every_list(room: Mailroom) -> None:
    returned = returned_headers(message_id=room.message_id(1), token=room.token(1), to="redacted")

    room.take(complaint("", returned=returned))

    assert room.stage.suppressed() == {"reader1@example.org": "complaint"}
    assert room.stage.standing(1)[0] == "unsubscribed"
    assert room.stage.row(1)[0] == "complained"


def test_a_report_of_failed_authentication_concerns_nobody(room: Mailroom) -> None:
    taken = room.take(complaint("reader1@example.org", kind="auth-failure"))

    assert (taken.handled, taken.new) == (True, 0)
    assert room.stage.suppressed() == {}


def test_a_mail_to_the_unsubscribe_address_takes_its_reader_off_the_list(room: Mailroom) -> None:
    taken = room.take(plain_mail(room.token(3), sender="alias-of-3@example.net"))

    assert (taken.handled, taken.matched, taken.new) == (True, True, 1)
    assert room.stage.standing(3)[0] == "unsubscribed"
    assert room.stage.suppressed() == {}
    assert [room.stage.standing(n)[0] for n in (1, 2, 4, 5)] == ["active"] * 4


def test_a_wish_counts_although_the_clock_of_its_sender_is_slow(room: Mailroom) -> None:
    mail = plain_mail(room.token(3)).replace(b"24 Nov 2026", b"17 Nov 2026")

    room.take(mail)

    assert room.stage.standing(3)[0] == "unsubscribed"


def test_the_mailto_of_a_rendered_message_is_understood(room: Mailroom) -> None:
    # What a mail program makes of the link: subject and recipient, and sometimes words of its own.
    mail = plain_mail(
        room.token(3), headers="Auto-Submitted: auto-generated\n", body="This is automatic."
    )

    room.take(mail)

    assert room.stage.standing(3)[0] == "unsubscribed"


def test_the_same_mail_fetched_two_ways_is_one(room: Mailroom) -> None:
    mail = status_report("reader2@example.org", to=room.path(2))
    on_the_way = (
        b"Return-Path: <>\nDelivered-To: bounces@example.org\n"
        b"Received: from mx.example.org (mx.example.org [192.0.2.1])\n\tby news; now\n"
    )
    fetched = [
        mail,
        mail.replace(b"\n", b"\r\n"),
        b"From MAILER-DAEMON Tue Nov 24 06:00:00 2026\n" + mail + b"\n\n",
        on_the_way + mail.removeprefix(b"Return-Path: <>\n"),
    ]

    told = [room.take(one) for one in fetched]

    assert [(one.new, one.known) for one in told] == [(1, 0), (0, 1), (0, 1), (0, 1)]
    assert len(room.stored()) == 1


def test_another_bounce_is_another_mail() -> None:
    assert fingerprint(status_report("a@example.org")) != fingerprint(
        status_report("b@example.org")
    )


def test_mails_of_a_batch_are_told_in_their_order(room: Mailroom) -> None:
    mails = [
        status_report("reader2@example.org", to=room.path(2)),
        plain_mail("Hello"),
        status_report("reader2@example.org", to=room.path(2)),
        complaint("reader4@example.org"),
    ]

    told = room.intake().take_all(mails, "test")

    assert [one.kind for one in told] == ["hard", "not_a_bounce", "hard", "complaint"]
    assert [one.new for one in told] == [1, 1, 0, 1]


def test_answers_of_machines_that_prove_nothing_leave_no_trace(room: Mailroom) -> None:
    taken = room.take(
        plain_mail("Out of office", headers="Auto-Submitted: auto-replied\n", body="Back in May")
    )

    assert (taken.kind, taken.handled) == ("autoreply", True)
    assert room.stored() == []


def test_a_long_mail_is_kept_bounded_and_known_again(room: Mailroom) -> None:
    mail = plain_mail("Long", body="words and words\n" * 100_000)

    first = room.take(mail)
    second = room.take((room.kept / first.kept).read_bytes())

    assert (room.kept / first.kept).stat().st_size < 600_000
    assert (second.new, second.known) == (0, 1)


def test_kept_mail_is_forgotten_after_its_time(room: Mailroom) -> None:
    old = room.kept / room.take(plain_mail("One")).kept
    new = room.kept / room.take(plain_mail("Two")).kept
    other = room.kept / "notes.eml"
    other.write_text("the operator's own")
    long_ago = datetime(2026, 1, 1, tzinfo=UTC)
    for path in (old, other):
        os.utime(path, (long_ago.timestamp(), long_ago.timestamp()))

    assert forget_kept_mail(room.kept, long_ago + timedelta(days=1)) == 1
    assert (old.exists(), new.exists(), other.exists()) == (False, True, True)


def test_mail_that_cannot_be_kept_is_an_error_and_stores_nothing(room: Mailroom) -> None:
    room.kept.write_text("a file where the folder should be")

    with pytest.raises(StorageError, match="cannot be kept"):
        room.take(plain_mail("One"))
    assert room.stored() == []


@settings(max_examples=25)
@given(
    words=st.binary(max_size=300),
    charset=st.sampled_from(["utf-8", "utf-7", "utf-16", "latin-1", "x-none"]),
)
def test_no_mail_breaks_the_intake(
    tmp_path_factory: pytest.TempPathFactory, words: bytes, charset: str
) -> None:
    room = _the_room(tmp_path_factory)
    mail = status_report("reader2@example.org", to=room.path(2)).replace(
        b"Content-Type: text/plain\n", f"Content-Type: text/plain; charset={charset}\n".encode()
    )
    for one in (words, mail.replace(b"told by a test", words), mail.replace(b"reader2", words)):
        room.intake().take(one, "test")

    assert room.stage.suppressed().keys() <= {"reader2@example.org"}


_ROOMS: list[Mailroom] = []


def _the_room(factory: pytest.TempPathFactory) -> Mailroom:
    """One room for all examples: they are many, and it changes nothing for them."""
    if not _ROOMS:
        clock = SettableClock(AT)
        _ROOMS.append(Mailroom(FeedbackStage(factory.mktemp("room"), clock)))
    return _ROOMS[0]


@pytest.mark.slow
def test_postgresql_takes_the_same_mail(
    tmp_path: Path, clock: SettableClock, server_url: str
) -> None:
    room = Mailroom(FeedbackStage(tmp_path, clock, url=server_url))
    nul = status_report("reader5@example.org", to=room.path(5)).replace(
        b"Content-Type: message/delivery-status\n",
        b"Content-Type: message/delivery-status\nContent-Transfer-Encoding: quoted-printable\n",
    )
    nul = nul.replace(b"told by a test", b"told=00 by a test")

    for mail in (
        status_report("reader2@example.org", to=room.path(2)),
        nul,
        plain_mail(room.token(3)),
        *(forge(room) for forge in FORGERIES.values()),
    ):
        room.take(mail)
    kept = room.take(status_report("reader1@example.org"))
    turned = room.take((room.kept / kept.kept).read_bytes(), Believe.ADDRESS)

    assert room.stage.suppressed() == {
        "reader1@example.org": "hard_bounce",
        "reader2@example.org": "hard_bounce",
        "reader5@example.org": "hard_bounce",
    }
    assert room.stage.standing(3)[0] == "unsubscribed"
    assert room.stage.standing(4)[0] == "active"
    assert turned.turned == 1
