"""What mail that came back says, in the ways of speaking of many systems (D3, D8, D9)."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest
from tests.unit.feedback.notices import (
    ADA,
    NOTICES,
    ORIGINAL,
    Notice,
    complaint,
    failed,
    plain,
    reply,
    report,
)

from newsletter.audience.keys import Keys
from newsletter.delivery.bounce_classes import BounceClass
from newsletter.delivery.return_paths import ReturnPaths
from newsletter.feedback import plain_patterns
from newsletter.feedback.bounces import parse_bounce
from newsletter.feedback.report_model import MessageName, Reason, ReportKind, Source
from newsletter.providers.base import DeliveryId


@pytest.mark.parametrize("notice", NOTICES, ids=lambda notice: notice.name)
def test_each_way_of_speaking_is_understood(notice: Notice) -> None:
    document = parse_bounce(notice.mail).document()

    assert document["kind"] == notice.kind
    assert tuple(document["recipients"]) == notice.recipients
    assert document["status"] == notice.status


@pytest.mark.parametrize("notice", NOTICES, ids=lambda notice: notice.name)
def test_line_ends_and_an_mbox_line_change_nothing(notice: Notice) -> None:
    with_mbox = b"From MAILER-DAEMON  Tue Nov 24 06:00:00 2026\n" + notice.mail

    whole = parse_bounce(notice.mail).document()

    assert parse_bounce(notice.mail.replace(b"\n", b"\r\n")).document() == whole
    assert parse_bounce(with_mbox).document() == whole


@pytest.mark.parametrize(
    ("kind", "expected", "reason"),
    [
        ("abuse", ReportKind.COMPLAINT, Reason.ABUSE),
        ("fraud", ReportKind.COMPLAINT, Reason.FRAUD),
        ("virus", ReportKind.COMPLAINT, Reason.VIRUS),
        ("opt-out", ReportKind.COMPLAINT, Reason.OPT_OUT),
        ("other", ReportKind.COMPLAINT, Reason.OTHER_FEEDBACK),
        ("not-spam", ReportKind.NOT_A_BOUNCE, Reason.NOT_SPAM),
    ],
)
def test_a_feedback_type_says_what_the_reader_did(
    kind: str, expected: ReportKind, reason: Reason
) -> None:
    read = parse_bounce(complaint(kind))

    assert (read.kind, read.reason) == (expected, reason)
    assert read.from_the_reader is (expected is ReportKind.COMPLAINT)


def test_a_complaint_names_its_recipient_by_field_or_by_the_returned_message() -> None:
    named = parse_bounce(complaint("abuse", extra="Original-Rcpt-To: bob@example.net\n"))
    unnamed = parse_bounce(complaint("abuse", extra=""))

    assert [one.address for one in named.recipients] == ["bob@example.net"]
    assert [(one.address, one.source) for one in unnamed.recipients] == [
        ("ada@example.net", Source.RETURNED)
    ]


def test_a_report_of_failed_authentication_is_no_word_of_a_reader() -> None:
    read = parse_bounce(complaint("auth-failure"))

    assert read.kind is ReportKind.COMPLAINT
    assert not read.from_the_reader


def test_a_mail_that_says_unsubscribe_is_a_wish_and_no_abuse_complaint() -> None:
    read = parse_bounce(reply(subject="Unsubscribe"))

    assert read.reason is Reason.UNSUBSCRIBE
    assert not read.from_the_reader
    assert [one.address for one in read.recipients] == ["ada@example.net"]


@pytest.mark.parametrize(
    "mail",
    [
        reply(headers="Auto-Submitted: auto-replied\n"),
        reply(headers="X-Autoreply: yes\n"),
        reply(headers="Precedence: auto_reply\n"),
        reply(headers="X-Apple-Action: vacation\n"),
        reply(headers="Auto-Submitted: auto-generated\nIn-Reply-To: <1.7.a@example.org>\n"),
        reply(subject="Automatic reply: The Daily"),
        reply(subject="Out of office: The Daily"),
        reply(subject="=?utf-8?q?Abwesenheitsnotiz=3A_The_Daily?="),
        reply(subject="自動応答: The Daily"),
        reply(
            subject="Automatic reply: x", body="Mail to me is not delivered. Write to b@a.example"
        ),
    ],
)
def test_the_answer_of_a_machine_for_a_person_is_an_autoreply(mail: bytes) -> None:
    assert parse_bounce(mail).kind is ReportKind.AUTOREPLY


@pytest.mark.parametrize(
    "mail",
    [
        reply(body="Thank you, I enjoyed it."),
        reply(subject="Fwd: Undelivered Mail Returned to Sender", body=f"See:\n\n{ORIGINAL}"),
        reply(subject="Re: Delivery failed", body="550 5.1.1 <a@example.net> User unknown is what"),
        reply(body="It was not delivered to me.").replace(b"ada@", b"ada@mta.postmaster."),
        reply(subject="My address changed", body="Please write to me at ada@example.com"),
        b"Subject: Report Domain: example.org Submitter: example.net Report-ID: <1>\n\nx\n",
        b"",
        b"\n\n\n",
        b"\xff\xfe\x00",
        b"Subject: =?utf-8?b?A?= =?x?q?=ZZ?=\n\nx\n",
    ],
)
def test_what_people_write_and_what_says_nothing_is_no_bounce(mail: bytes) -> None:
    read = parse_bounce(mail)

    assert read.kind is ReportKind.NOT_A_BOUNCE
    assert read.document()["recipients"] == []


def test_a_blocked_sender_is_soft_to_the_person_and_told_apart() -> None:
    read = parse_bounce(report(failed("5.7.1", "554 5.7.1 blocked using dnsbl.example.com")))

    assert read.kind is ReportKind.SOFT
    assert read.recipients[0].bounce is BounceClass.BLOCKED
    assert read.reason is Reason.REPUTATION


def test_words_of_a_full_disk_go_before_a_generic_user_unknown() -> None:
    words = "ada@example.net\nNot enough disk space"

    read = parse_bounce(report(failed("5.1.1", "550 5.1.1 unknown"), words=words))

    assert (read.kind, read.reason) == (ReportKind.SOFT, Reason.MAILBOX_FULL)


@pytest.mark.parametrize(
    "words",
    [
        "The mailbox may be full, or the message may be too large.",
        "If the quota is exceeded, please try later.",
        "This message was scanned for viruses and spam.",
        "The user is unknown. Messages are refused when a quota is exceeded.",
    ],
)
def test_advice_and_footers_speak_for_nobody(words: str) -> None:
    read = parse_bounce(report(failed("5.1.1", "550 5.1.1 User unknown"), words=words))

    assert (read.kind, read.reason) == (ReportKind.HARD, Reason.USER_UNKNOWN)


def test_no_words_make_an_exact_mild_status_hard() -> None:
    read = parse_bounce(report(failed("5.2.2", "552 5.2.2 x"), words="User unknown, no such user"))

    assert read.kind is ReportKind.SOFT


def test_every_field_of_a_recipient_is_extracted() -> None:
    fields = "Original-Recipient: rfc822;Ada@example.net\n" + failed("5.1.1", "550 5.1.1 no\n such")

    read = parse_bounce(report(fields))

    one = read.recipients[0]
    assert (one.address, one.original) == ("ada@example.net", "Ada@example.net")
    assert (one.status, one.action, one.remote_mta) == ("5.1.1", "failed", "in.example.net")
    assert one.diagnostic == "550 5.1.1 no such"
    assert read.reporting_mta == "mx.example.net"
    assert read.identifiers.envelope_ids == ("7-1234",)


def test_fields_are_read_from_the_text_where_no_part_holds_them() -> None:
    read = parse_bounce(plain("Technical report:\n\n" + failed("5.1.1", "550 5.1.1 unknown")))

    assert read.document()["recipients"] == ["ada@example.net"]
    assert read.document()["status"] == "5.1.1"


def test_a_report_without_its_mime_headers_is_read_as_text() -> None:
    mail = report(failed("5.1.1", "550 5.1.1 unknown"))
    head, body = mail.split(b"\n\n", 1)
    flat = head.split(b"MIME-Version")[0] + b"\n" + body

    assert parse_bounce(flat).document()["recipients"] == list(ADA)
    assert parse_bounce(flat).kind is ReportKind.HARD


def test_a_bounce_that_a_person_forwards_as_a_file_is_no_bounce() -> None:
    mail = (
        b"From: Ada <ada@example.org>\nTo: daily@example.org\nSubject: What is this?\n"
        b'Content-Type: multipart/mixed; boundary="outer"\n\n'
        b"--outer\nContent-Type: text/plain\n\nI got this, could not be delivered?\n"
        b"--outer\nContent-Type: message/rfc822\n\n"
        + report(failed("5.1.1", "550 5.1.1 unknown"))
        + b"\n--outer--\n"
    )

    assert parse_bounce(mail).kind is ReportKind.NOT_A_BOUNCE


def test_a_complaint_with_broken_parts_is_read_as_text() -> None:
    head, body = complaint("fraud").split(b"\n\n", 1)
    flat = head.split(b"MIME-Version")[0] + b"\n" + body

    assert parse_bounce(flat).reason is Reason.FRAUD


def test_a_provider_notification_in_json_is_read() -> None:
    bounced = {"emailAddress": "ada@example.net", "status": "5.1.1", "action": "failed"}
    told = {
        "notificationType": "Bounce",
        "bounce": {"bounceType": "Permanent", "bouncedRecipients": [bounced]},
    }
    wrapped = json.dumps({"Type": "Notification", "Message": json.dumps(told)})

    for text in (json.dumps(told), wrapped, json.dumps(told, indent=1)):
        read = parse_bounce(plain(text, sender="notify@example.com", subject="Notice", original=""))
        assert read.kind is ReportKind.HARD
        assert read.document()["recipients"] == list(ADA)


def test_our_own_identifiers_are_found_and_only_the_return_path_proves() -> None:
    paths = ReturnPaths(Keys(signing=("k" * 32,), suppression="s" * 32), "bounces.example.org")
    path = paths.of(DeliveryId(7, 1234))
    mail = report(failed("5.1.1", "550 unknown")).replace(
        b"To: daily@", f"To: {path}\nCc: d@".encode()
    )

    genuine = parse_bounce(mail).identifiers
    forged = parse_bounce(report(failed("5.1.1", "550 unknown"))).identifiers

    assert {paths.read(one) for one in genuine.return_paths} == {DeliveryId(7, 1234), None}
    assert forged.messages == (MessageName(1234, 7, "00112233445566aa"),)
    assert forged.return_paths
    assert {paths.read(one) for one in forged.return_paths} == {None}


def test_a_status_part_in_base64_and_an_unknown_charset_are_read() -> None:
    fields = base64.encodebytes(
        f"Reporting-MTA: dns; a\n\n{failed('5.1.1', '550 unknown')}".encode()
    ).decode()
    mail = report("X").replace(
        b"Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.net\n"
        b"Original-Envelope-Id: 7-1234\n\nX\n",
        b"Content-Type: message/delivery-status\nContent-Transfer-Encoding: base64\n\n"
        + f"{fields}\n".encode(),
    )

    assert parse_bounce(mail).document()["recipients"] == list(ADA)
    assert parse_bounce(NOTICES[0].mail.replace(b"charset=utf-8", b"charset=x-no-such")).document()[
        "recipients"
    ] == list(ADA)


def test_no_rule_names_a_host_of_the_samples(shared: Path) -> None:
    """Hold the rules to standards and ways of speaking.

    A rule that was made for one sample would show as a name out of it: of a domain that some
    address in it has, or the name of its file.
    """
    room = Path(plain_patterns.__file__).parent
    files = [*room.glob("*.py"), *(room.parent / "delivery").glob("bounce_*.py")]
    code = "\n".join(path.read_text(encoding="utf-8").lower() for path in files)
    names: set[str] = set()
    for path in (shared / "bounces" / "open").glob("*.eml"):
        text = path.read_bytes().decode("latin-1").lower()
        names |= {path.name, path.stem, *re.findall(r"@((?:[a-z0-9-]+\.)+[a-z]{2,6})\b", text)}
    names -= {"example.org", "example.net", "example.com"}

    assert [name for name in names if re.search(rf"(?<![\w.-]){re.escape(name)}\b", code)] == []


def test_a_verdict_depends_on_nothing_but_the_mail() -> None:
    once = [parse_bounce(notice.mail) for notice in NOTICES]
    again = [parse_bounce(notice.mail) for notice in reversed(NOTICES)]

    assert once == again[::-1]
