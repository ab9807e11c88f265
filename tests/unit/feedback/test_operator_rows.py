"""Rows that an operator put before the table of bounce classes count in bounce mail too."""

from __future__ import annotations

import pytest
from tests.unit.feedback.notices import NOTICES, Notice, failed, plain, report

from newsletter.delivery.bounce_classes import BounceClass, bounce_table
from newsletter.feedback.bounces import parse_bounce
from newsletter.settings.feedback_parts import ClassRulePart


def bounce_of(mail: bytes, *rows: tuple[str, str, str]) -> BounceClass | None:
    """Return what a mail's first recipient gets by a table with rows of the operator."""
    table = bounce_table(
        ClassRulePart.model_validate({"status": status, "words": words, "becomes": becomes})
        for status, words, becomes in rows
    )
    return parse_bounce(mail, table).recipients[0].bounce


@pytest.mark.parametrize(
    ("status", "diagnostic", "row", "expected"),
    [
        ("5.1.1", "550 5.1.1 unknown", ("5.1.1", "", "soft"), BounceClass.SOFT),
        (
            "5.7.1",
            "554 5.7.1 Account closed",
            ("5.7.1", "account closed", "hard"),
            BounceClass.HARD,
        ),
        ("5.0.0", "550 5.2.1 Away", ("5.2.1", "", "soft"), BounceClass.SOFT),
        ("5.0.0", "550 Cerrado", ("*.*.*", "cerrado", "hard"), BounceClass.HARD),
        ("4.4.7", "Delivery time expired", ("4.4.7", "", "hard"), BounceClass.HARD),
        # The built-in rules take a made-up 5.1.1 for milder; what the operator says stays.
        ("5.1.1", "550 Looks like spam", ("5.1.1", "", "hard"), BounceClass.HARD),
        ("5.1.1", "550 Looks like spam", ("5.9.9", "", "hard"), BounceClass.BLOCKED),
        ("5.1.1", "550 unknown", ("5.1.2", "", "soft"), BounceClass.HARD),
    ],
)
def test_a_row_decides_over_a_status_report(
    status: str, diagnostic: str, row: tuple[str, str, str], expected: BounceClass
) -> None:
    assert bounce_of(report(failed(status, diagnostic)), row) is expected


def test_a_row_is_searched_for_in_the_words_for_people_too() -> None:
    mail = report(
        failed("5.0.0", "smtp; 550 rejected"),
        words="ada@example.net: this postbox was given up in spring",
    )

    assert bounce_of(mail) is BounceClass.SOFT
    assert bounce_of(mail, ("*.*.*", "postbox was given up", "hard")) is BounceClass.HARD


def test_a_row_decides_where_only_words_tell() -> None:
    mail = plain("The message could not be delivered to <ada@example.net>:\n550 Postbox given up\n")

    assert bounce_of(mail) is BounceClass.SOFT
    assert bounce_of(mail, ("5.*.*", "postbox given up", "hard")) is BounceClass.HARD


@pytest.mark.parametrize("notice", NOTICES, ids=lambda notice: notice.name)
def test_a_row_that_fits_nothing_changes_no_verdict(notice: Notice) -> None:
    row = ClassRulePart(status="5.99.99", words="", becomes="hard")

    assert parse_bounce(notice.mail, bounce_table([row])) == parse_bounce(notice.mail)
