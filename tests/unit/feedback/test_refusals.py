"""Who is suppressed and who is not, by what the remote host said (D3)."""

from __future__ import annotations

import pytest
from tests.unit.feedback.notices import ADA, failed, report
from tests.unit.feedback.refusals import DEAD, LIVING

from newsletter.feedback.bounces import parse_bounce
from newsletter.feedback.report_model import Reason, ReportKind


def said(status: str, diagnostic: str) -> bytes:
    """Return a status report in which a host said this."""
    lines = failed(status, diagnostic).splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith("Status:") or status]
    return report("".join(line for line in kept if not line.endswith("smtp; \n")))


@pytest.mark.parametrize(("status", "diagnostic", "reason"), LIVING)
def test_no_living_reader_is_suppressed(status: str, diagnostic: str, reason: str) -> None:
    read = parse_bounce(said(status, diagnostic))

    assert read.kind is ReportKind.SOFT
    assert read.document()["recipients"] == list(ADA)
    assert read.reason.value == reason or not reason
    assert read.reason is not Reason.USER_UNKNOWN


@pytest.mark.parametrize(("status", "diagnostic", "reason"), DEAD)
def test_whoever_is_gone_is_suppressed(status: str, diagnostic: str, reason: str) -> None:
    read = parse_bounce(said(status, diagnostic))

    assert read.kind is ReportKind.HARD
    assert read.reason.value == reason or not reason


@pytest.mark.parametrize("status", ["5.1.1", "5.0.0"])
@pytest.mark.parametrize(("_", "diagnostic", "reason"), DEAD)
def test_a_delay_suppresses_nobody(status: str, _: str, diagnostic: str, reason: str) -> None:
    read = parse_bounce(report(failed(status, diagnostic, action="delayed")))

    assert read.kind is ReportKind.DELAYED


ADA_AND_BOB = (
    "Final-Recipient: rfc822; ada@example.net\nAction: failed\nStatus: 5.0.0\n\n"
    "Final-Recipient: rfc822; bob@example.com\nAction: failed\nStatus: 5.0.0\n"
)


@pytest.mark.parametrize(
    "words",
    [
        "<ada@example.net>: host said: 550 5.1.1 no such user\n<bob@example.com>: something else",
        "<ada@example.net>: host said: 550 5.1.1 no such user",
        "<ada@example.net>\n<bob@example.com>\n\n>>> RCPT To:<ada@example.net>\n"
        "<<< 550 5.1.1 <ada@example.net>... User unknown\n>>> RCPT To:<bob@example.com>\n"
        "<<< 554 go away",
        "nada@example.net: 550 4.2.2 full\nada@example.net: 550 5.1.1 no such user",
    ],
)
def test_what_is_said_of_one_reader_suppresses_no_other(words: str) -> None:
    read = parse_bounce(report(ADA_AND_BOB, words=words))

    assert [(one.address, one.kind) for one in read.recipients] == [
        ("ada@example.net", ReportKind.HARD),
        ("bob@example.com", ReportKind.SOFT),
    ]


@pytest.mark.parametrize(
    "words",
    [
        "The following addresses failed:\n\n<ada@example.net>\n<bob@example.com>\n\nNo such user.",
        "No such user:\n\nada@example.net\nbob@example.com",
    ],
)
def test_a_reason_that_is_given_once_is_for_all(words: str) -> None:
    read = parse_bounce(report(ADA_AND_BOB, words=words))

    assert {one.kind for one in read.recipients} == {ReportKind.HARD}
