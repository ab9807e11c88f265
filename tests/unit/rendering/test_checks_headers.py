"""The bytes of a message: what they must hold, and when the signature is of another domain."""

from __future__ import annotations

import pytest
from tests.fakes.mailings import a_mailing

from newsletter.digest.model import Finding
from newsletter.rendering.checks.headers import ONCE, check_alignment, check_message
from newsletter.rendering.mime import MessageTemplate

URL = "https://news.example.org/u/" + "t" * 300


def a_message(clock_at: object) -> bytes:
    mailing = a_mailing()
    template = MessageTemplate(mailing.content, mailing.identity, campaign=1, salt="s")
    values = {"unsubscribe_url": URL, "preferences_url": "https://news.example.org/p/x"}
    return template.build(
        subscriber=1,
        address="reader@example.org",
        name="Ann",
        values=values,
        at=clock_at,  # type: ignore[arg-type]
    )


@pytest.fixture
def message(clock: object) -> bytes:
    return a_message(clock.now())  # type: ignore[attr-defined]


def codes(message: bytes) -> list[str]:
    return [finding.code for finding in check_message(message, unsubscribe_url=URL)]


def test_our_own_messages_are_without_fault(message: bytes) -> None:
    assert codes(message) == []


@pytest.mark.parametrize("name", ONCE)
def test_a_field_that_is_missing_or_twice_is_an_error(message: bytes, name: str) -> None:
    field = next(
        line for line in message.split(b"\r\n") if line.startswith(f"{name}:".encode("ascii"))
    )

    without = check_message(message.replace(field, b"X-Other: x", 1), unsubscribe_url=URL)
    twice = check_message(field + b"\r\n" + message, unsubscribe_url=URL)

    assert "header-count" in [finding.code for finding in without]
    assert name in next(f.problem for f in twice if f.code == "header-count")
    assert all(f.severity == "error" and f.place == "headers" and f.why for f in twice)


@pytest.mark.parametrize(
    "value", [f"=?utf-8?q?<{URL}>?=", f"<{URL[:200]} {URL[200:]}>", "<https://other.example/>"]
)
def test_a_link_to_leave_that_is_not_whole_is_an_error(message: bytes, value: str) -> None:
    broken = message.replace(f"<{URL}>".encode(), value.encode(), 1)

    assert codes(broken) == ["unsubscribe-header-broken"]


def test_a_line_that_is_too_long_is_an_error(message: bytes) -> None:
    assert codes(message + b"x" * 998) == []
    assert codes(message + b"x" * 999) == ["message-line-too-long"]


def test_html_before_text_is_an_error(message: bytes) -> None:
    swapped = (
        message.replace(b"text/plain", b"text/PLAIN")
        .replace(b"text/html", b"text/plain")
        .replace(b"text/PLAIN", b"text/html")
    )

    assert codes(swapped) == ["message-structure"]


@pytest.mark.parametrize(
    ("sender", "signing", "aligned"),
    [
        ("a@example.org", None, True),
        ("a@example.org", "example.org", True),
        ("a@news.example.org", "Example.org.", True),
        ("a@example.org", "mail.example.org", True),
        ("a@a.example.org", "b.example.org", True),
        ("a@example.org", "example.net", False),
        ("a@example.org", "notexample.org", False),
        ("", "example.org", True),
    ],
)
def test_the_signature_is_of_the_sender_s_own_domain(
    sender: str, signing: str | None, aligned: bool
) -> None:
    findings: list[Finding] = check_alignment(sender, signing)

    assert [f.code for f in findings] == ([] if aligned else ["dkim-not-aligned"])
