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
