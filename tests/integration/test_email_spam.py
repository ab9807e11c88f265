"""SpamAssassin's local rules find next to nothing in a digest on its way to a reader (B8)."""

from __future__ import annotations

import pytest
from tests.browser.email_samples import digests, message_of

from newsletter.delivery.outside.spam_score import find_spamassassin, score

pytestmark = pytest.mark.heavy

LEAST_THAT_COUNTS = 1.0


@pytest.mark.parametrize("name", digests())
def test_a_digest_scores_next_to_nothing(name: str) -> None:
    program = find_spamassassin()
    if program is None:
        pytest.skip("needs SpamAssassin: apt-get install spamassassin")

    judged = score(message_of(name, "paper"), program)

    counted = {rule.name: rule.points for rule in judged.rules if rule.points > 0}
    print(f"{name}: {judged.score} by {counted}")
    assert judged.score < LEAST_THAT_COUNTS, counted


def test_a_message_like_spam_scores_more() -> None:
    program = find_spamassassin()
    if program is None:
        pytest.skip("needs SpamAssassin: apt-get install spamassassin")
    # The words that every SpamAssassin knows as a test (GTUBE).
    mark = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
    message = b"From: a@example.org\r\nTo: b@example.org\r\nSubject: x\r\n\r\n" + mark + b"\r\n"

    assert score(message, program).score > 100
