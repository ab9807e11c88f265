"""Reads recipients and refusals out of words meant for people, for systems that write no fields.

General by design: it knows how lines of such mail look (an address that leads its line, a label,
a transcript of SMTP), not which system wrote them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from newsletter.delivery.bounce_classes import BUILT_IN, status_is_vague
from newsletter.feedback.addresses import ADDRESS, addresses_in, is_of_a_system
from newsletter.feedback.plain_patterns import BOILERPLATE, NOTICES, compiled
from newsletter.whole_words import whole_words

_MOST_LINES = 600
_LONGEST_LINE = 600
_LONGEST_WORDS = 2000

_ENTRY = re.compile(
    rf"[\s>*•·#|-]{{0,12}}(?:[45]\d\d[ -]{{1,3}})?[<\"'(\[]{{0,2}}({ADDRESS})"
    r"(?=[\s>\"')\]]{0,3}(?:$|[:,;(\[<]|\.\.\.|\s[-–([<.]|\s+on \d|\s{1,4}\S))",
)
_LABEL = re.compile(
    r"[\s>*-]{0,8}(?:(?:original |failed |final |intended |e-?mail |mail )?"
    r"(?:recipients?|address(?:es)?|addressee|addressed to|rcpt(?: to)?|unknown user|user unknown"
    r"|undeliverable to|delivered to|user mailbox exceeds allowed size|delivery failed[^:]{0,30}"
    r"|could not be delivered to|unable to deliver[^:]{0,30})(?: address)?)"
    r"\s{0,3}[:=]\s{0,3}(.{3,400})",
    re.IGNORECASE,
)
_TRANSCRIPT = re.compile(rf"RCPT TO:?\s{{0,3}}<?({ADDRESS})", re.IGNORECASE)
_ECHO = re.compile(rf"[45]\d\d[ -][^\n]{{0,80}}?<({ADDRESS})>", re.IGNORECASE)
_CONCERNS = whole_words(
    [
        r"(un)?deliver\w*|recipient\w*|address\w*|reject\w*|unknown|fail\w*|mailbox\w*|users?"
        r"|reach\w*|destinat\w*|utilisateur\w*|empf\w*|benutzer\w*|usuari\w*|utent\w*"
        r"|получат\w*|ящик\w*|宛|ユーザ|邮箱|收件人"
    ]
)
STATUS = re.compile(r"(?<![\d.])([45]\.[0-7]\.\d{1,3})(?![\d.]*\d)", re.ASCII)
_CODE = re.compile(r"(?<![\d.:/-])([45][0-5]\d)(?=[ \t-]|$)", re.ASCII)
_REPLY_LINE = re.compile(
    r"(?<![\d.:/-])[45][0-5]\d[ -]{1,3}\S|(?<![\d.])[45]\.[0-7]\.\d{1,3}(?![\d.]*\d)", re.ASCII
)
# What an MTA said of its own commands afterwards, and dates.
_NOISE = re.compile(
    r">>> |no valid recipients|need (rcpt|recipient)|\b\d\d:\d\d:\d\d\b", re.IGNORECASE
)


_SENTENCES = re.compile(
    r"(?<=[.!?;])\s+|\s+[-*•]\s+|\n+|,\s+(?=(?:and )?(?:please|check|verify|bitte|veuillez)\b)",
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
    r"\s*(?:\S{1,255} |.{0,200}?(?:said|replied|responded|error|returned):? ?)?"
    r"([245]\d\d)(?=[ \t-]|$)",
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

    `ours` are addresses that the mail itself went to, in lower case: none of them failed. `named`
    are recipients known from elsewhere; the words are then looked up for them.
    """
    lines = [line[:_LONGEST_LINE] for line in notice.split("\n")[:_MOST_LINES]]
    addresses = list(named) or _recipients(lines, ours)
    if len(addresses) <= 1:
        return [_told(next(iter(addresses), ""), lines)]
    places = {one: _lines_of(one, lines) for one in addresses[:200]}
    starts = sorted(place[0] for place in places.values() if place)
    found = []
    for one in addresses[:200]:
        block: list[str] = []
        for start in places[one][:3]:
            end = next((other for other in starts if other > start), len(lines))
            block += lines[start:end]
        told = _told(one, block)
        # A reason that was said once is for all.
        found.append(
            told if told.status or told.code or BUILT_IN.tells(told.words) else _told(one, lines)
        )
    return found


def code_in(diagnostic: str) -> int | None:
    """Return the SMTP reply that a diagnostic begins with, or that it says a host gave."""
    found = _REPLY_CODE.match(diagnostic[:_LONGEST_WORDS])
    return int(found[1]) if found else None


def without_advice(words: str) -> str:
    """Return words without the sentences that tell what might have happened, and what to do."""
    sentences = _SENTENCES.split(words[:_LONGEST_WORDS])
    return " ".join(one for one in sentences if not _ADVICE.search(one))


def _recipients(lines: list[str], ours: frozenset[str]) -> list[str]:
    """Return the addresses of the most telling kind of line that has any."""
    leading: list[str] = []
    labelled: list[str] = []
    transcript: list[str] = []
    spoken: list[str] = []
    for number, line in enumerate(lines):
        if "@" not in line:
            continue
        if found := _ENTRY.match(line):
            leading.append(found[1])
        before = lines[number - 1] if number else ""
        if found := _LABEL.match(line) or _LABEL.match(f"{before.rstrip()} {line.strip()}"):
            labelled += addresses_in(found[1])
        transcript += [match[1] for match in _TRANSCRIPT.finditer(line)]
        transcript += [match[1] for match in _ECHO.finditer(line)]
        if _CONCERNS.search(line) or compiled(NOTICES).search(line):
            spoken += addresses_in(line)
    for sort in (leading, labelled, transcript, spoken):
        unlike = [one for one in map(_trimmed, sort) if one.lower() not in ours]
        kept = [one for one in unlike if not is_of_a_system(one)]
        if kept or (unlike and sort is not spoken):
            return _each_once(kept or unlike)
    return []


def _trimmed(address: str) -> str:
    return address.strip(".'")


def _each_once(addresses: list[str]) -> list[str]:
    return list({one.lower(): one for one in reversed(addresses)}.values())[::-1]


def _lines_of(address: str, lines: list[str]) -> list[int]:
    wanted = address.lower()
    return [number for number, line in enumerate(lines) if wanted in line.lower()]


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
        if not line.strip() or _REPLY_LINE.search(line) or _ENTRY.match(line):
            break
        kept.append(line)
    return "\n".join(kept)


def _told_of(text: str) -> str:
    """Return a text without what says nothing of the reason."""
    lines = text[: _LONGEST_WORDS * 4].split("\n")
    pattern = compiled(BOILERPLATE)
    return " ".join(" ".join(pattern.sub(" ", line) for line in lines).split())[:_LONGEST_WORDS]
