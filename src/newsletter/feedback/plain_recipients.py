"""Finds whom a text for people names as not reached, among all whom it names.

General by design: it knows how lines of such mail look (an address that leads its line, a label,
a transcript of SMTP), not which system wrote them. Who sent the message and who helps with it are
named in such texts too, and are nobody whom it did not reach.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from newsletter.feedback.addresses import ADDRESS, addresses_in, is_of_a_system
from newsletter.feedback.plain_patterns import NOTICES, compiled
from newsletter.whole_words import whole_words

ENTRY = re.compile(
    r"[\s>*•·#|-]{0,12}(?:\d{1,3}[.)] {1,3})?(?:[45]\d\d[ -]{1,3})?"
    rf"[<\"'(\[]{{0,2}}({ADDRESS})"
    r"(?=[\s>\"')\]]{0,3}(?:\.?\s{0,9}$|[:,;(\[<]|\.\.\.|\s[-–([<.]|\s+on \d|\s{1,4}\S))",
)
"""An address that leads its line, after marks of a list."""
_ONLY_ADDRESSES = re.compile(
    rf"[\s>*•·#|-]{{0,12}}(?:<?{ADDRESS}>?[\s,;]{{0,6}}(?:and )?){{2,50}}$"
)
_LABEL = re.compile(
    r"[\s>*-]{0,8}(?:(?:original |failed |final |intended |invalid |e-?mail |mail )?"
    r"(?:recipients?|receivers?|address(?:es)?|addressee|addressed to|rcpt(?: to)?|unknown user"
    r"|user unknown|undeliverable to|delivered to|user mailbox exceeds allowed size"
    r"|(?:failed|unable) to deliver(?: to)?|delivery failed[^:]{0,30}"
    r"|could not be delivered to|unable to deliver[^:]{0,30})(?: address)?)"
    r"\s{0,3}[:=]\s{0,3}(.{3,400})",
    re.IGNORECASE,
)
_NAMED = re.compile(
    rf"[\s>*•·#|-]{{0,12}}(?:\"[^\"<>]{{1,80}}\"|[^<>@\":]{{1,60}}) ?<({ADDRESS})>[\s,;.]{{0,9}}$"
)
_TO = re.compile(
    r"[\s>*-]{0,8}(?:to|an|à|para|aan|empfänger|destinataires?|destinatari[oa]s?|receptor|кому"
    r"|收件人|宛先|받는 ?사람|수신자)\s{0,3}[:：]\s{0,3}(.{3,400})",
    re.IGNORECASE,
)
_FROM = re.compile(
    r"[\s>*<-]{0,8}(?:from|sender|mail from|reply-to|return-path|errors-to|von|absender|de"
    r"|expéditeur|remitente|da|mittente|remetente|van|afzender|от|отправитель|发件人|寄件人|差出人"
    r"|보낸 ?사람)\s{0,3}[:：](.{3,400})",
    re.IGNORECASE,
)
_SENT_BY = re.compile(
    rf"\b(?:from|sender|sent by|you)(?: address)?[:,]? {{0,2}}[<\"'(]{{0,2}}({ADDRESS})",
    re.IGNORECASE,
)
_TRANSCRIPT = re.compile(rf"RCPT TO:?\s{{0,3}}<?({ADDRESS})", re.IGNORECASE)
_ECHO = re.compile(rf"[45]\d\d[ -][^\n]{{0,80}}?<({ADDRESS})>", re.IGNORECASE)
_CONCERNS = whole_words(
    [
        r"(un)?deliver\w*|recipient\w*|address\w*|reject\w*|unknown|fail\w*|mail ?box\w*|users?"
        r"|reach\w*|destinat\w*|utilisateur\w*|empf\w*|benutzer\w*|usuari\w*|utent\w*|accounts?"
        r"|e?-?mails?|messages?|получат\w*|ящик\w*|宛|ユーザ|邮箱|收件人|邮件"
    ]
)
_HELP = whole_words(
    [
        r"if you|contact|contacting|questions?|help|help ?desk|assistance|support|write to|call us"
        r"|please (reply|write|send|forward|e?-?mail|call|report|visit)|forward|e-?mail us"
        r"|do not reply|no-?reply|report (this|it|the)|in error|kontakt\w*|hilfe|fragen|contactez"
        r"|contacte|contatt\w+|联系|聯繫|お問い?合わ?せ|問合せ|문의|обратитесь"
    ]
)
_DESK = re.compile(
    r"(?:support|help(?:-?desk)?|hilfe|service|kundenservice)(?=[@+])", re.IGNORECASE
)
_SENTENCES = re.compile(r"(?<=[.!?] )(?=[A-Z])|(?<=[。！？；，])")
_SIGNATURE = re.compile(r"--\s?$")


@dataclass
class _Found:
    """The addresses of each kind of line, the most telling kind first."""

    leading: list[str] = field(default_factory=list)
    labelled: list[str] = field(default_factory=list)
    transcript: list[str] = field(default_factory=list)
    addressed: list[str] = field(default_factory=list)
    spoken: list[str] = field(default_factory=list)
    named: list[str] = field(default_factory=list)
    helping: list[str] = field(default_factory=list)
    sending: list[str] = field(default_factory=list)


def find_recipients(lines: list[str], ours: frozenset[str]) -> list[str]:
    """Return the addresses of the most telling kind of line that has any, each once.

    `ours` are addresses, in lower case, that sent the message or got the notice.
    """
    found = _sorted(lines)
    meant = {*found.labelled, *found.transcript}
    senders = ours | {_trimmed(one).lower() for one in found.sending if one not in meant}
    said = (found.spoken, found.named, found.helping)
    for kind in (found.leading, found.labelled, found.transcript, found.addressed, *said):
        unlike = [one for one in map(_trimmed, kind) if one.lower() not in senders]
        kept = [one for one in unlike if not is_of_a_system(one)]
        kept = [one for one in kept if not _DESK.match(one)] or kept
        if kept or (unlike and kind not in said):
            return list({one.lower(): one for one in reversed(kept or unlike)}.values())[::-1]
    return []


def _sorted(lines: list[str]) -> _Found:
    found = _Found()
    for before, line, helping in _with_help(lines):
        found.helping += addresses_in(helping)
        if match := _FROM.match(line):
            found.sending += addresses_in(match[1])
            continue
        found.sending += [match[1] for match in _SENT_BY.finditer(line)]
        if _ONLY_ADDRESSES.match(line):
            found.leading += addresses_in(line)
        elif match := ENTRY.match(line):
            found.leading += addresses_in(match[1])
        if match := _LABEL.match(line) or _LABEL.match(f"{before.rstrip()} {line.strip()}"):
            found.labelled += addresses_in(match[1])
        elif match := _TO.match(line):
            found.addressed += addresses_in(match[1])
        elif match := _NAMED.match(line):
            found.named.append(match[1])
        found.transcript += [match[1] for match in _TRANSCRIPT.finditer(line)]
        found.transcript += [match[1] for match in _ECHO.finditer(line)]
        if _CONCERNS.search(line) or compiled(NOTICES).search(line):
            found.spoken += addresses_in(line)
    return found


def _with_help(lines: list[str]) -> Iterator[tuple[str, str, str]]:
    """Yield each line that has an address after the one before, and what in it tells who helps.

    Whoever is named where a sentence about help goes on in the next line helps too, and so does a
    signature.
    """
    helps = signed = False
    before = ""
    for line in lines:
        signed = signed or _SIGNATURE.match(line) is not None
        goes_on = helps and bool(line.strip()) and not before.rstrip().endswith((".", ":", "。"))
        kept, helping = "", ""
        for sentence in _SENTENCES.split(line):
            helps = signed or goes_on or _HELP.search(sentence) is not None
            kept, helping = (kept, helping + sentence) if helps else (kept + sentence, helping)
            goes_on = False
        if "@" in line:
            yield before, kept, helping
        before = line


def _trimmed(address: str) -> str:
    return address.strip(".'")
