"""Whom the notices of old and odd systems name, and what they say of them (D9)."""

from __future__ import annotations

import pytest
from tests.unit.feedback.notices import Notice
from tests.unit.feedback.old_notices import OLD

from newsletter.feedback.bounces import parse_bounce


@pytest.mark.parametrize("notice", OLD, ids=lambda notice: notice.name)
def test_each_names_the_reader_and_nobody_else(notice: Notice) -> None:
    document = parse_bounce(notice.mail).document()

    assert tuple(document["recipients"]) == notice.recipients
    assert (document["kind"], document["status"]) == (notice.kind, notice.status)
