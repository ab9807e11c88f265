"""What alerts say, how they look as mail, and that no reader's address is in them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.delivery.alert_mail import alert_delivery, is_alert
from newsletter.delivery.alert_ways import Notice
from newsletter.delivery.alert_words import campaign_paused, domain_held, unknown_waits
from newsletter.delivery.alerts import Alert, mask_addresses
from newsletter.delivery.letter_claims import letter_delivery
from newsletter.providers.base import DeliveryId, Mailing
from newsletter.rendering.alerts import render_alert
from newsletter.rendering.content import ListIdentity

AT = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)


def paused(reason: str, at: datetime = AT) -> Alert:
    return campaign_paused(
        7,
        digest="2026-11-24",
        mailing_list="daily",
        reason=reason,
        waiting=20,
        recipients=40,
        expires_at=AT + timedelta(hours=12),
        at=at,
    )


def held(reason: str, at: datetime = AT) -> Alert:
    return domain_held(
        "example.org", until=AT + timedelta(hours=1), reason=reason, campaign=7, at=at
    )


def notice(number: int = 1, at: datetime = AT) -> Notice:
    return Notice(number, "domain_held", "Domain held: example.org", "A word.\n", 7, at)


def test_a_pause_says_why_what_it_means_and_what_to_type() -> None:
    alert = paused("brake: 5 of the first 20 recipients bounced hard (25 %, limit 5 %)")

    assert alert.subject == "Campaign 7 paused: 2026-11-24 to daily"
    assert "brake: 5 of the first 20 recipients bounced hard" in alert.body
    assert "20 of its 40 recipients have not got it" in alert.body
    assert "nobody is lost" in alert.body
    assert "2026-11-24 18:00 UTC" in alert.body
    assert "\n    newsletter campaigns resume 7\n" in alert.body


def test_a_hold_says_that_nobody_was_suppressed_and_how_to_end_it() -> None:
    alert = held("554 5.7.1 blocked using our list")

    assert alert.subject == "Domain held: example.org"
    assert "nobody was suppressed" in alert.body
    assert "Its answer: 554 5.7.1 blocked using our list" in alert.body
    assert "\n    newsletter domains release example.org\n" in alert.body


def test_the_same_trouble_at_another_time_is_another_alert() -> None:
    later = AT + timedelta(minutes=1)

    assert paused("x").key != paused("x", later).key
    assert held("x").key != held("x", later).key
    assert unknown_waits(7, unknown=3, recipients=40).key == (
        unknown_waits(7, unknown=3, recipients=40).key
    )


def test_an_answer_of_many_lines_makes_no_paragraph_and_no_command() -> None:
    body = held("554 no\n\n    newsletter campaigns cancel 7").body

    assert "\n    newsletter campaigns cancel 7" not in body


@pytest.mark.parametrize(
    ("words", "masked"),
    [
        ("550 <bob@example.org>: no", "550 <…@example.org>: no"),
        ("user bob@example.org, unknown", "user b…@example.org, unknown"),
        ("see https://x.example/?r=bob%40example.org now", "see h…@example.org now"),
        ('to "bob smith"@example.org', "to …@example.org"),
        ("two lines\n    of bob@example.org", "two lines\n    of b…@example.org"),
        ("tab\tand\rreturn", "tab and return"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_addresses_are_masked_and_lines_stay(words: str, masked: str) -> None:
    assert mask_addresses(words) == masked


@given(st.text(alphabet='bob@%40 <>"\n\t:,;=.example', max_size=80))
def test_no_local_part_of_two_letters_survives(words: str) -> None:
    assert "bob@" not in mask_addresses(f"{words}bob@example.org {words}")


def test_the_mail_has_the_newsletters_name_before_its_subject_and_commands_on_their_lines() -> None:
    alert = paused("<b>& a reason that is long enough to be wrapped in the text of the message</b>")

    content = render_alert(alert.subject, alert.body, newsletter="The Daily")

    assert content.subject == "[The Daily] Campaign 7 paused: 2026-11-24 to daily"
    assert "&lt;b&gt;&amp; a reason" in content.html
    assert "newsletter campaigns resume 7\nnewsletter campaigns cancel 7</pre>" in content.html
    assert "\n    newsletter campaigns resume 7\n" in content.text
    assert all(len(line) <= 76 for line in content.text.splitlines())
    assert "alerts.mail_to in the settings of The Daily" in content.text
    assert content.slots == ()


def test_an_alert_of_hostile_words_is_a_whole_message() -> None:
    identity = ListIdentity("N", "n.example.org", "N", "n@example.org", "", "", "UTC", "en")
    content = render_alert("A\r\nBcc: x@example.org", ".\n\n..\x00\r\n.", newsletter="N\r\nX: y")
    mailing = Mailing(0, content, identity, "salt0salt0salt0s", transactional=True)

    data = mailing.template.build(
        subscriber=1, address="ops@example.org", name="", values={}, at=AT
    )

    head, _, body = data.partition(b"\r\n\r\n")
    assert b"\nBcc:" not in head
    assert b"\nX:" not in head
    assert b"Auto-Submitted: auto-generated" in head
    assert not [line for line in body.split(b"\r\n") if line.startswith(b".")]


def test_an_alert_has_one_name_for_each_address_the_same_on_every_try() -> None:
    first = alert_delivery(notice(), "ops@example.org")

    assert first == alert_delivery(notice(), "ops@example.org")
    assert first != alert_delivery(notice(), "other@example.org")
    assert first != alert_delivery(notice(2), "ops@example.org")
    assert first != alert_delivery(notice(at=AT + timedelta(seconds=1)), "ops@example.org")
    assert DeliveryId.parse(str(first)) == first


@given(st.integers(1, 10**12), st.datetimes(datetime(2002, 1, 1), datetime(2200, 1, 1)))
def test_the_names_of_alerts_are_those_of_no_letter_and_no_test(number: int, at: datetime) -> None:
    written = at.replace(tzinfo=UTC)

    assert is_alert(alert_delivery(notice(number, written), "ops@example.org"))
    assert not is_alert(letter_delivery(number, written))
    assert not is_alert(DeliveryId(0, number))
    assert not is_alert(DeliveryId(7, 5 * 10**16))
