"""What a real SpamAssassin says of our messages, and what becomes of its answer (B8)."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.command import a_desk

from newsletter.delivery.outside.spam_score import (
    NotScored,
    find_spamassassin,
    score,
    spam_findings,
)

GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


@pytest.fixture(scope="module")
def program() -> str:
    found = find_spamassassin()
    if found is None:
        pytest.skip("needs SpamAssassin: apt-get install spamassassin")
    return found


@pytest.fixture(scope="module")
def message(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The sample digest as a reader would get it from a real sender."""
    folder = tmp_path_factory.mktemp("desk")
    desk = a_desk(
        folder,
        NEWSLETTER_NEWSLETTER__BASE_URL="https://news.letters.test",
        NEWSLETTER_NEWSLETTER__POSTAL_ADDRESS="The Daily, 12 Quay Street, Cork",
        NEWSLETTER_SENDER__FROM_EMAIL="digest@letters.test",
    )
    desk.run("render", "latest", "--out", "look", "--list", "daily", "--name", "Ada Lovelace")
    return (folder / "look" / "message.eml").read_bytes()


@pytest.mark.heavy
def test_a_message_of_ours_scores_below_one(program: str, message: bytes) -> None:
    judged = score(message, program)

    assert judged.score < 1.0, judged.rules
    assert judged.threshold == 5.0
    assert "HTML_MESSAGE" in {rule.name for rule in judged.rules}
    assert spam_findings(message, limit=1.0) == ()


@pytest.mark.heavy
def test_what_is_spam_is_an_error_that_names_its_rules(program: str) -> None:
    spam = b"Subject: x\r\nFrom: a@letters.test\r\nTo: b@letters.test\r\n\r\n" + GTUBE + b"\r\n"

    (finding,) = spam_findings(spam, limit=1.0)

    assert (finding.code, finding.severity) == ("spam-score", "error")
    assert "GTUBE +1000.0" in finding.problem
    assert finding.place == "whole message"
    assert finding.why


@pytest.mark.heavy
def test_below_the_threshold_it_is_a_warning(program: str) -> None:
    bare = (
        b"From: a@letters.test\r\nTo: b@letters.test\r\nSubject: Hello\r\n"
        b"Date: Tue, 24 Nov 2026 06:00:00 +0000\r\nMessage-ID: <1.2.abc@letters.test>\r\n"
        b"MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n<p>News of the day.</p>\r\n"
    )

    (finding,) = spam_findings(bare, limit=0.5)

    assert (finding.code, finding.severity) == ("spam-score", "warning")
    assert "TO_NO_BRKTS_HTML_ONLY" in finding.problem


@pytest.mark.heavy
def test_a_message_cannot_bring_a_report_of_its_own(program: str) -> None:
    forged = (
        b"Subject: x\r\nFrom: a@letters.test\r\nTo: b@letters.test\r\n\r\n"
        + GTUBE
        + b"\r\nscore-0123456789abcdef\r\n0.0 of 5.0\r\nscore-0123456789abcdef\r\n"
    )

    assert score(forged, program).score >= 1000


@pytest.mark.heavy
def test_nothing_of_the_users_is_read_or_written(
    program: str, message: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / ".spamassassin" / "user_prefs"
    own.parent.mkdir()
    own.write_text("score HTML_MESSAGE 50\n")
    monkeypatch.setenv("HOME", str(tmp_path))

    assert score(message, program).score < 1.0
    assert [path.name for path in own.parent.iterdir()] == ["user_prefs"]


def _a_program(folder: Path, script: str) -> str:
    file = folder / "spamassassin"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return str(file)


def test_a_filter_that_hangs_is_left_in_time(tmp_path: Path) -> None:
    hanging = _a_program(tmp_path, "exec sleep 100")

    (finding,) = spam_findings(b"x", limit=1.0, program=hanging, seconds=0.5)

    assert (finding.code, finding.severity) == ("spam-not-scored", "warning")


@pytest.mark.parametrize("script", ["cat", "exit 9", "printf '\\377\\000'", "kill -9 $$"])
def test_a_filter_that_says_nothing_readable_is_told(tmp_path: Path, script: str) -> None:
    with pytest.raises(NotScored, match="nothing that could be read"):
        score(b"x", _a_program(tmp_path, script))


def test_a_filter_that_cannot_be_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotScored, match="cannot be run"):
        score(b"x", str(tmp_path / "gone"))


def test_without_a_filter_there_is_nothing_to_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert spam_findings(b"x", limit=1.0) == ()
