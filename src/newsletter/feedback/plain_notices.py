"""Reads what words meant for people say of each recipient, for systems that write no fields."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from newsletter.delivery.bounce_classes import BUILT_IN, status_is_vague
from newsletter.feedback.plain_patterns import BOILERPLATE, compiled
from newsletter.feedback.plain_recipients import ENTRY, find_recipients
from newsletter.whole_words import whole_words

_MOST_LINES = 600
_LONGEST_LINE = 600
_LONGEST_WORDS = 2000
_MOST_RECIPIENTS = 200

STATUS = re.compile(r"(?<![\d.])([45]\.[0-7]\.\d{1,3})(?![\d.]*\d)", re.ASCII)
_CODE = re.compile(r"(?<![\d.:/-])([45][0-5]\d)(?=[ \t-]|$)", re.ASCII)
_REPLY_LINE = re.compile(
    r"(?<![\d.:/-])[45][0-5]\d[ -]{1,3}\S|(?<![\d.])[45]\.[0-7]\.\d{1,3}(?![\d.]*\d)", re.ASCII
)
# What an MTA said of its own commands afterwards, and dates.
_NOISE = re.compile(
    r">>> |\bno valid recipients|\bneed (rcpt|recipient)|\b\d\d:\d\d:\d\d\b", re.IGNORECASE
)
_ANY_WORD = re.compile(r"[^\W\d_]{2}")
_SENTENCES = re.compile(
    r"(?<=[.!?;])\s+|\s+[-*•]\s+|\n\s*\n|\n(?=\s*(?-i:[A-Z0-9<\"'(\u0410-\u042f]))"
    r"|,\s+(?=(?:and )?(?:please|check|verify|bitte|veuillez)\b)",
    re.IGNORECASE,
)
_ADVICE = whole_words(
    [
        r"may|might|perhaps|maybe|possibl[ey]|usually|sometimes|either|if|for example|such as"
        r"|please|check|verify|make sure|you can|you could|bitte|möglich\w*|veuillez|peut-être"
    ]
)
# A reply may follow the name of the host that gave it, in a field or in a line of words.
_REPLY_CODE = re.compile(
    r"\s*(?:\S{1,255} |.{0,200}?\b(?:said|replied|responded|answered|returned|response|error)\b"
    r"[^\d\n]{0,20})?(?<![\d.])([245]\d\d)(?=[ \t-]|$)",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Told:
    """What the words say of one address (empty: of nobody in particular)."""

    address: str
    status: str = ""
    code: int | None = None
    words: str = ""
    diagnostic: str = ""


def tell(notice: str, *, ours: frozenset[str], named: tuple[str, ...] = ()) -> list[Told]:
    """Return what a text says of each recipient.

    `ours` are addresses that sent the message or got the notice, in lower case. `named`
    are recipients known from elsewhere; the words are then looked up for them.
    """
    lines = [line[:_LONGEST_LINE] for line in notice.split("\n")[:_MOST_LINES]]
    addresses = list(named) or find_recipients(lines, ours)
    if len(addresses) <= 1:
        return [_told(next(iter(addresses), ""), lines)]
    return _told_of_each(addresses[:_MOST_RECIPIENTS], lines)


def _told_of_each(addresses: list[str], lines: list[str]) -> list[Told]:
    """Return what a text says of each of several, where what it says of one is no other's.

    What stands before them all is for each. Addresses below each other share what follows them.
    """
    places = {one: _lines_of(one, lines) for one in addresses}
    marks = {place for found in places.values() for place in found}
    preamble = lines[: min(marks)] if marks else lines
    found: dict[str, Told] = {}
    follows: Told | None = None
    for one in sorted(addresses, key=lambda one: places[one][:1], reverse=True):
        block: list[str] = []
        others = sorted(marks - set(places[one]))
        for start in places[one][:3]:
            block += lines[start : next((m for m in others if m > start), len(lines))]
        told = _told(one, block)
        if not _names_a_cause(told):
            bare = bool(block) and not _ANY_WORD.search(_without(one, block))
            shared = replace(follows, address=one) if bare and follows else _told(one, preamble)
            told = shared if _names_a_cause(shared) else told
        found[one] = follows = told
    return [found[one] for one in addresses]


def _names_a_cause(told: Told) -> bool:
    return bool(told.status or told.code or BUILT_IN.tells(told.words))


def _without(address: str, lines: list[str]) -> str:
    return re.sub(re.escape(address), " ", "\n".join(lines), flags=re.IGNORECASE)


def code_in(diagnostic: str) -> int | None:
    """Return the SMTP reply that a diagnostic begins with, or that it says a host gave."""
    found = _REPLY_CODE.match(diagnostic[:_LONGEST_WORDS])
    return int(found[1]) if found else None


def without_advice(words: str) -> str:
    """Return words without the sentences that tell what might have happened, and what to do."""
    sentences = _SENTENCES.split(words[:_LONGEST_WORDS])
    return " ".join(one for one in sentences if not _ADVICE.search(one))


def _lines_of(address: str, lines: list[str]) -> list[int]:
    wanted = re.compile(
        rf"(?<![\w.+-]){re.escape(address)}(?![\w-]|\.\w)", re.IGNORECASE | re.UNICODE
    )
    return [number for number, line in enumerate(lines) if wanted.search(line)]


def _told(address: str, lines: list[str]) -> Told:
    """Find the reply of the other side in lines, else what the words say."""
    replies = [n for n, line in enumerate(lines) if _REPLY_LINE.search(line)]
    best = [n for n in replies if not _NOISE.search(lines[n])] or replies
    paragraphs = [_paragraph(lines, number) for number in best[:20]]
    telling = next((text for text in paragraphs if BUILT_IN.tells(_told_of(text))), "")
    all_replies = " ".join(paragraphs)
    stated = [found for text in paragraphs for found in STATUS.findall(text)]
    exact = next((one for one in stated if not status_is_vague(one)), "")
    code = _CODE.search(telling or all_replies)
    words = _told_of(telling or all_replies)
    if not BUILT_IN.tells(words):
        everything = _told_of("\n".join(lines))
        words = everything if BUILT_IN.tells(everything) or not words else words
    diagnostic = telling or (paragraphs[0] if paragraphs else words)
    return Told(
        address=address,
        status=exact or next(iter(stated), ""),
        code=int(code[1]) if code else None,
        words=words,
        diagnostic=" ".join(diagnostic.split())[:500],
    )


def _paragraph(lines: list[str], start: int) -> str:
    """Return a line with those that carry it on: indented, or in the same paragraph."""
    kept = [lines[start]]
    for line in lines[start + 1 : start + 6]:
        if not line.strip() or _REPLY_LINE.search(line) or ENTRY.match(line):
            break
        kept.append(line)
    return "\n".join(kept)


def _told_of(text: str) -> str:
    """Return a text without what says nothing of the reason."""
    lines = text[: _LONGEST_WORDS * 4].split("\n")
    pattern = compiled(BOILERPLATE)
    kept = "\n".join(" ".join(pattern.sub(" ", line).split()) for line in lines)
    return kept.strip()[:_LONGEST_WORDS]
