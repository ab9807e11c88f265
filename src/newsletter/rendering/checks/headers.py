"""The message's own bytes: each header field once, links whole, parts in order (A1, A3, A5)."""

from __future__ import annotations

from collections.abc import Iterator

from newsletter.digest.model import Finding
from newsletter.rendering.checks.codes import HEADERS, SETTINGS, found

ONCE = (
    *("From", "To", "Subject", "Date", "Message-ID", "MIME-Version"),
    *("List-Id", "List-Unsubscribe", "List-Unsubscribe-Post"),
)
"""Fields that stand exactly once in each message of a campaign (A1)."""
LINE_MOST = 998
"""Bytes of a line without its end (RFC 5322 §2.1.1)."""

_REPORT = "report it: the program writes this itself"


def check_message(message: bytes, *, unsubscribe_url: str) -> list[Finding]:
    """Return what is wrong with a whole message; `unsubscribe_url` is the link it was made with."""
    head, _, body = message.partition(b"\r\n\r\n")
    fields = _fields(head)
    return [
        *_check_fields(fields),
        *_check_unsubscribe(fields, unsubscribe_url),
        *_check_lines(message),
        *_check_parts(fields, body),
    ]


def check_alignment(from_email: str, dkim_domain: str | None) -> list[Finding]:
    """Return whether the signature counts for the sender's domain (A13, RFC 7489 §3.1.1).

    Aligned are a domain, its subdomains, and those beside it below the same two labels; what lies
    below a longer public suffix is not told apart.
    """
    domain = from_email.rpartition("@")[2].lower().rstrip(".")
    if not dkim_domain or not domain:
        return []
    signing = dkim_domain.lower().rstrip(".")
    same = domain == signing or domain.endswith(f".{signing}") or signing.endswith(f".{domain}")
    if same or domain.split(".")[-2:] == signing.split(".")[-2:]:
        return []
    return [
        found(
            "dkim-not-aligned",
            f"mail from {domain} is signed for {signing}",
            f'set dkim_domain = "{domain}" under [delivery.smtp]',
            SETTINGS,
        )
    ]


def _fields(head: bytes) -> list[tuple[str, str]]:
    fields: list[tuple[str, str]] = []
    for line in head.decode("utf-8", "replace").split("\r\n"):
        if line[:1] in (" ", "\t") and fields:
            name, value = fields[-1]
            fields[-1] = (name, f"{value} {line.strip()}")
        else:
            name, _, value = line.partition(":")
            fields.append((name.strip(), value.strip()))
    return fields


def _check_fields(fields: list[tuple[str, str]]) -> Iterator[Finding]:
    names = [name.lower() for name, _ in fields]
    for name in ONCE:
        count = names.count(name.lower())
        if count != 1:
            problem = f"the header {name} is missing" if not count else f"{name} stands {count}×"
            yield found("header-count", problem, _REPORT, HEADERS)


def _check_unsubscribe(fields: list[tuple[str, str]], url: str) -> Iterator[Finding]:
    for name, value in fields:
        if name.lower() == "list-unsubscribe" and ("=?" in value or f"<{url}>" not in value):
            yield found(
                "unsubscribe-header-broken",
                "List-Unsubscribe does not hold the link whole",
                "look at newsletter.base_url and sender.unsubscribe_mailto",
                HEADERS,
            )


def _check_lines(message: bytes) -> Iterator[Finding]:
    longest = max(len(line) for line in message.split(b"\r\n"))
    if longest > LINE_MOST:
        problem = f"a line of the message has {longest:,} bytes; {LINE_MOST} are allowed"
        yield found("message-line-too-long", problem, _REPORT, HEADERS)


def _check_parts(fields: list[tuple[str, str]], body: bytes) -> Iterator[Finding]:
    kind = next((value for name, value in fields if name.lower() == "content-type"), "")
    text, html = body.find(b"Content-Type: text/plain"), body.find(b"Content-Type: text/html")
    if not kind.startswith("multipart/alternative") or not 0 <= text < html:
        problem = "the message is not text first and HTML last"
        yield found("message-structure", problem, _REPORT, HEADERS)
