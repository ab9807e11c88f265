"""Mail as it comes back: status reports, complaints, wishes; true ones and forged ones."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

AT = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)


def returned_headers(
    *, message_id: str = "", token: str = "", to: str = "reader1@example.org"
) -> str:
    """Return headers of a message of ours as a report carries them."""
    lines = ["From: The Daily <daily@news.example.org>", f"To: {to}", "Subject: News"]
    if message_id:
        lines.append(f"Message-ID: {message_id}")
    if token:
        lines.append(
            f"List-Unsubscribe: <https://news.example.org/u/{token}>,\n"
            f" <mailto:leave@news.example.org?subject={token}>"
        )
    return "\n".join(lines) + "\n"


def status_report(
    *recipients: str,
    to: str = "daily@news.example.org",
    status: str = "5.1.1",
    action: str = "failed",
    original: str = "",
    returned: str = "",
    at: datetime = AT,
) -> bytes:
    """Return a DSN (RFC 3464) about these recipients, sent to `to`."""
    fields = "\n\n".join(
        (f"Original-Recipient: rfc822; {original}\n" if original else "")
        + f"Final-Recipient: rfc822; {one}\nAction: {action}\nStatus: {status}\n"
        f"Diagnostic-Code: smtp; 550 {status} told by a test"
        for one in recipients
    )
    return (
        "Return-Path: <>\n"
        f"From: MAILER-DAEMON@mx.example.org (Mail Delivery System)\nTo: {to}\n"
        f"Date: {format_datetime(at)}\nSubject: Undelivered Mail Returned to Sender\n"
        "Auto-Submitted: auto-replied\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        "--b\nContent-Type: text/plain\n\nYour message could not be delivered.\n\n"
        "--b\nContent-Type: message/delivery-status\n\n"
        f"Reporting-MTA: dns; mx.example.org\n\n{fields}\n\n"
        f"--b\nContent-Type: text/rfc822-headers\n\n{returned or returned_headers()}\n--b--\n"
    ).encode()


def complaint(
    about: str, *, to: str = "abuse@news.example.org", kind: str = "abuse", returned: str = ""
) -> bytes:
    """Return an abuse report (RFC 5965)."""
    return (
        f"From: feedback@isp.example.org\nTo: {to}\nSubject: FW: News\n"
        f"Date: {format_datetime(AT)}\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\n\n'
        "--b\nContent-Type: text/plain\n\nThis is an email abuse report.\n\n"
        "--b\nContent-Type: message/feedback-report\n\n"
        f"Feedback-Type: {kind}\nUser-Agent: SomeGenerator/1.0\nVersion: 1\n"
        + (f"Original-Rcpt-To: <{about}>\n" if about else "")
        + f"\n--b\nContent-Type: message/rfc822\n\n{returned or returned_headers()}\n\nHello\n"
        "--b--\n"
    ).encode()


def plain_mail(
    subject: str,
    *,
    sender: str = "reader1@example.org",
    to: str = "leave@news.example.org",
    headers: str = "",
    body: str = "",
) -> bytes:
    """Return a mail that a person or their mail program wrote."""
    return (
        f"From: Somebody <{sender}>\nTo: {to}\nSubject: {subject}\n{headers}"
        f"Date: {format_datetime(AT)}\n\n{body}\n"
    ).encode()
