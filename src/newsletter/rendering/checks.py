"""Checks of the rendered email: size, subject, preheader, footer (A7, B4, B6, B7)."""

from __future__ import annotations

import re

from newsletter.digest.model import Finding, Severity
from newsletter.rendering.content import (
    PREFERENCES_URL,
    UNSUBSCRIBE_URL,
    EmailContent,
    ListIdentity,
    SlotContext,
)
from newsletter.rendering.merge import LONGEST_VALUE, cut
from newsletter.rendering.render import PREHEADER_LEAST

CLIPPED = 102_000
"""Bytes of HTML from which Gmail cuts a mail, footer and all."""
NEARLY_CLIPPED = 90_000
_LINK_BYTES = 250

CODES = {
    "html-too-large": "The HTML is so large that Gmail cuts it.",
    "html-large": "The HTML is nearly so large that Gmail cuts it.",
    "no-subject": "The subject is empty.",
    "long-subject": "The subject is longer than 78 characters.",
    "shouting-subject": "The subject shouts.",
    "subject-without-default": "A merge field of the subject has no default.",
    "no-preheader": "Nothing stands in the preview line.",
    "short-preheader": "The preview line is short.",
    "preheader-is-subject": "The preview line repeats the subject.",
    "no-postal-address": "The footer has no postal address.",
    "no-unsubscribe-link": "A part has no unsubscribe link.",
    "remote-content": "The HTML needs something from elsewhere, or runs something.",
}

_REFUSED = re.compile(r"<(script|form|iframe|object|embed|link|base)\b", re.IGNORECASE)


def check_content(content: EmailContent, identity: ListIdentity) -> tuple[Finding, ...]:
    """Return what is wrong with a rendered email; sizes are those after the longest merge."""
    findings = [
        *_check_size(content),
        *_check_subject(content),
        *_check_preheader(content),
        *_check_footer(content, identity),
    ]
    if match := _REFUSED.search(content.html):
        findings.append(
            _error(
                "remote-content",
                f"the HTML has a <{match[1].lower()}>, which mail clients refuse",
                "take it out of the templates",
            )
        )
    return tuple(findings)


def merged_size(content: EmailContent) -> int:
    """Return the bytes of HTML for the longest values that a subscriber can have."""
    pieces = cut(content.html, content.slots)
    longest = {UNSUBSCRIBE_URL: _LINK_BYTES, PREFERENCES_URL: _LINK_BYTES}
    return sum(len(text.encode()) for text in pieces.texts) + sum(
        longest.get(slot.field, LONGEST_VALUE) for slot in pieces.slots
    )


def _check_size(content: EmailContent) -> list[Finding]:
    size = merged_size(content)
    if size >= CLIPPED:
        return [
            _error(
                "html-too-large",
                f"the HTML has {size:,} bytes; Gmail cuts it at {CLIPPED:,}, footer and all",
                "shorten the digest, or put fewer stories in it",
            )
        ]
    if size >= NEARLY_CLIPPED:
        return [
            _warning(
                "html-large",
                f"the HTML has {size:,} bytes; Gmail cuts it at {CLIPPED:,}",
                "shorten the digest",
            )
        ]
    return []


def _check_subject(content: EmailContent) -> list[Finding]:
    found: list[Finding] = []
    pieces = cut(content.subject, content.slots)
    written = "".join(pieces.texts)
    if not content.subject.strip():
        return [_error("no-subject", "the subject is empty", "give the digest a title")]
    if len(content.subject) > 78:
        found.append(
            _warning(
                "long-subject",
                f"the subject has {len(content.subject)} characters; phones show about 40",
                "set a shorter 'subject:' in the front matter",
            )
        )
    letters = [c for c in written if c.isalpha()]
    loud = len(letters) > 10 and sum(c.isupper() for c in letters) > 0.7 * len(letters)
    if loud or written.count("!") > 1:
        found.append(
            _warning("shouting-subject", "the subject shouts", "use small letters, one '!' at most")
        )
    bare = [s.field for s in pieces.slots if s.context is SlotContext.HEADER and not s.default]
    if bare:
        found.append(
            _warning(
                "subject-without-default",
                f"'{bare[0]}' in the subject has no default",
                f'write {{{{ {bare[0]} | default("there") }}}}',
            )
        )
    return found


def _check_preheader(content: EmailContent) -> list[Finding]:
    text = content.preheader.strip()
    if not text:
        return [
            _warning("no-preheader", "the preview line is empty", "begin with a lede of a sentence")
        ]
    if text.casefold() == content.subject.strip().casefold():
        return [
            _warning(
                "preheader-is-subject",
                "the preview line repeats the subject",
                "set 'preheader:' in the front matter",
            )
        ]
    if len(text) < PREHEADER_LEAST:
        return [
            _warning(
                "short-preheader",
                f"the preview line has {len(text)} characters; 40 to 110 read well",
                "set 'preheader:' in the front matter, or write a longer lede",
            )
        ]
    return []


def _check_footer(content: EmailContent, identity: ListIdentity) -> list[Finding]:
    found: list[Finding] = []
    if not identity.postal_address.strip():
        found.append(
            _error(
                "no-postal-address",
                "the footer has no postal address, which the law asks for",
                "set newsletter.postal_address in newsletter.toml",
            )
        )
    for part, text in (("HTML", content.html), ("text", content.text)):
        if not any(s.field == UNSUBSCRIBE_URL and s.tag in text for s in content.slots):
            found.append(
                _error(
                    "no-unsubscribe-link",
                    f"the {part} part has no unsubscribe link",
                    "put {{ unsubscribe_url }} back into the template's footer",
                )
            )
    return found


def _error(code: str, problem: str, fix: str) -> Finding:
    return Finding(Severity.ERROR, code, problem, fix)


def _warning(code: str, problem: str, fix: str) -> Finding:
    return Finding(Severity.WARNING, code, problem, fix)
