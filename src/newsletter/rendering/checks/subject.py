"""What the inbox shows: subject and preview line (B4, B6)."""

from __future__ import annotations

import re

from newsletter.digest.findings import excerpt
from newsletter.digest.model import Finding
from newsletter.rendering.checks.codes import PREVIEW_LINE, SUBJECT, found
from newsletter.rendering.content import EmailContent, SlotContext
from newsletter.rendering.headers import encode_text
from newsletter.rendering.merge import cut
from newsletter.rendering.render import PREHEADER_LEAST, PREHEADER_MOST, shown_preheader

SUBJECT_MOST = 78
WIRE_MOST = 255
"""Bytes of the encoded field beyond which old servers cut it."""
PREHEADER_LOST = 160
"""Characters that no client shows; a little more than asked for does no harm."""
PHONE_SUBJECT = 40
PHONE_PREVIEW = 90
"""Characters that a phone in the hand shows: one line of subject, two of preview."""

_CAPITAL_WORDS = 3
_FAKE = re.compile(r"(?:re|fwd?|aw|wg|tr|rif|rv|sv|vs|antw|odp|ynt)\s*(?:\[\d+\]\s*)?:", re.I)
_PUNCTUATION = re.compile(r"!.*!|[!?]{2,}|\?!|!\?|[$€£]{2,}", re.DOTALL)
_CAPITALS = re.compile(r"[^\W\d_]{4,}")


def shown_subject(content: EmailContent) -> str:
    """Return the subject of a reader whose values are missing."""
    return cut(content.subject, content.slots).fill({})


def on_a_phone(content: EmailContent) -> tuple[str, str]:
    """Return subject and preview line as far as a phone shows them."""
    subject, preview = shown_subject(content), shown_preheader(content).strip()
    return excerpt(subject, PHONE_SUBJECT), excerpt(preview, PHONE_PREVIEW)


def check_subject(content: EmailContent) -> list[Finding]:
    """Return what is wrong with the subject; merge fields count as their defaults."""
    if not content.subject.strip():
        return [found("no-subject", "the subject is empty", "give the digest a title", SUBJECT)]
    pieces = cut(content.subject, content.slots)
    subject, written = shown_subject(content), "".join(pieces.texts)
    findings = [*_length(subject), *_tone(written)]
    if not pieces.slots and not any(c.isalnum() for c in written):
        problem, fix = "the subject has no words", "say in words what is in the digest"
        findings.append(found("only-emoji-subject", problem, fix, SUBJECT))
    bare = [s.field for s in pieces.slots if s.context is SlotContext.HEADER and not s.default]
    if bare:
        findings.append(
            found(
                "subject-without-default",
                f"'{bare[0]}' in the subject has no default",
                f'write {{{{ {bare[0]} | default("there") }}}}',
                SUBJECT,
            )
        )
    return findings


def _length(subject: str) -> list[Finding]:
    wire = len(encode_text("Subject", subject)) - len("Subject: ")
    if len(subject) <= SUBJECT_MOST and wire <= WIRE_MOST:
        return []
    encoded = f" ({wire} bytes on the wire)" if wire > len(subject) + 4 else ""
    return [
        found(
            "long-subject",
            f"the subject has {len(subject)} characters{encoded}; phones show about 40",
            "set a shorter 'subject:' in the front matter",
            SUBJECT,
        )
    ]


def _tone(written: str) -> list[Finding]:
    findings = []
    letters = [c for c in written if c.isalpha()]
    loud = len(letters) > 10 and sum(c.isupper() for c in letters) > 0.7 * len(letters)
    capitals = sum(word.isupper() for word in _CAPITALS.findall(written))
    if loud or capitals >= _CAPITAL_WORDS:
        findings.append(
            found("shouting-subject", "the subject shouts", "use small letters", SUBJECT)
        )
    if match := _FAKE.match(written.strip()):
        findings.append(
            found(
                "fake-reply",
                f"the subject begins with '{match[0]}' as if it answered somebody",
                f"take '{match[0]}' out",
                SUBJECT,
            )
        )
    if match := _PUNCTUATION.search(written):
        findings.append(
            found(
                "spammy-punctuation",
                "the subject has more than one '!', or marks such as '?!' and '$$'",
                "one mark is enough",
                SUBJECT,
            )
        )
    return findings


def check_preheader(content: EmailContent) -> list[Finding]:
    """Return what is wrong with the preview line."""
    text = shown_preheader(content).strip()
    subject = shown_subject(content).strip()
    fix = "set 'preheader:' in the front matter"
    if not text:
        problem, fix = "the preview line is empty", "begin with a lede of a sentence"
        return [found("no-preheader", problem, fix, PREVIEW_LINE)]
    if _same(text, subject):
        problem = "the preview line repeats the subject"
        return [found("preheader-is-subject", problem, fix, PREVIEW_LINE)]
    problem = f"the preview line has {len(text)} characters; {PREHEADER_LEAST} to {PREHEADER_MOST}"
    if len(text) < PREHEADER_LEAST:
        fix += ", or write a longer lede"
        return [found("short-preheader", f"{problem} read well", fix, PREVIEW_LINE)]
    if len(text) > PREHEADER_LOST:
        fix = "shorten 'preheader:' in the front matter"
        return [found("long-preheader", f"{problem} are shown", fix, PREVIEW_LINE)]
    return []


def _same(preview: str, subject: str) -> bool:
    """Tell whether the preview line is the subject, or begins with it and says little more."""
    first, second = _plain(preview), _plain(subject)
    return bool(second) and first.startswith(second) and len(first) - len(second) < PREHEADER_LEAST


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
