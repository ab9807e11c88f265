"""What real mail servers refuse, as rules that our own take over: never kinder than those.

Each rule names who refuses so and where that is documented. A server of the tests asks
`refusal_of_command` for each command line and `refusal_of_message` for each payload, and gives the
reply it gets back in place of its own good one.
"""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

LONGEST_COMMAND = 512
LONGEST_PATH = 256
LONGEST_LOCAL = 64
LONGEST_LINE = 998
_ORDER = {"MAIL": ("hello",), "RCPT": ("hello", "mail"), "DATA": ("hello", "mail", "recipient")}
_ONCE = ("from", "date", "message-id", "subject", "to", "mime-version", "content-type", "reply-to")
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z0-9-]*[A-Za-z0-9]\.?")
_LITERAL = re.compile(r"\[(?:[0-9.]+|IPv6:[0-9A-Fa-f:.]+)\]")
_PATH = re.compile(r"(?:MAIL FROM|RCPT TO):<([^<>\s]*)>((?: [A-Za-z0-9-]+(?:=[^\s=]+)?)*)", re.I)
_FIELD = re.compile(rb"[!-9;-~]+:[ \t]?")
_SENDER = re.compile(r"[^@\s<>]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
_ID = re.compile(r"<[^<>@\s]+@[^<>@\s]+>")


@dataclass
class Talk:
    """Where one connection stands: what was offered, said and taken."""

    offered: tuple[str, ...] = ()
    """Extensions by their keyword, in capitals: SIZE, 8BITMIME, SMTPUTF8, PIPELINING …"""
    largest: int = 0
    """Bytes that SIZE announced; 0: none."""
    done: set[str] = field(default_factory=set)
    """`hello`, `mail`, `recipient`."""
    eight_bit: bool = False
    unicode: bool = False

    def took(self, command: str) -> None:
        """Note a command that was answered with success."""
        words = command.upper()
        match words.partition(" ")[0].partition(":")[0].strip():
            case "EHLO" | "HELO":
                self.done = {"hello"}
            case "MAIL":
                self.done = {"hello", "mail"}
                self.eight_bit = "BODY=8BITMIME" in words
                self.unicode = " SMTPUTF8" in words
            case "RCPT":
                self.done.add("recipient")
            case "RSET" | "DATA":
                self.done &= {"hello"}


@dataclass(frozen=True)
class CommandRule:
    """A rule for command lines: who refuses, and the reply, or None."""

    name: str
    source: str
    judge: Callable[[bytes, bytes, Talk], str | None]
    """Given the line without its end, what arrived behind it, and where the talk stands."""


@dataclass(frozen=True)
class MessageRule:
    """A rule for payloads, with dots still doubled and without the last one."""

    name: str
    source: str
    judge: Callable[[bytes, Talk], str | None]


def _verb(line: bytes) -> str:
    return line.split(b" ", 1)[0].split(b":", 1)[0].decode("latin-1").upper()


def _too_long(line: bytes, _behind: bytes, talk: Talk) -> str | None:
    room = LONGEST_COMMAND - 2 + (10 + 26 + 17 if talk.offered else 0)
    return "500 5.5.2 Line too long" if len(line) > room else None


def _controls(line: bytes, _behind: bytes, _talk: Talk) -> str | None:
    return "501 5.5.2 Syntax error" if re.search(rb"[\x00-\x1f\x7f]", line) else None


def _hello(line: bytes, _behind: bytes, _talk: Talk) -> str | None:
    if _verb(line) not in ("EHLO", "HELO"):
        return None
    name = line.partition(b" ")[2].decode("latin-1")
    if not (_HOST.fullmatch(name) or _LITERAL.fullmatch(name)):
        return f"504 5.5.2 <{name}>: Helo command rejected: need fully-qualified hostname"
    return None


def _order(line: bytes, _behind: bytes, talk: Talk) -> str | None:
    verb = _verb(line)
    if verb == "MAIL" and "mail" in talk.done:
        return "503 5.5.1 Error: nested MAIL command"
    missing = [step for step in _ORDER.get(verb, ()) if step not in talk.done]
    return f"503 5.5.1 Error: need {missing[0]} first" if missing else None


def _path(line: bytes, _behind: bytes, talk: Talk) -> str | None:
    if _verb(line) not in ("MAIL", "RCPT"):
        return None
    found = _PATH.fullmatch(line.decode("utf-8", "replace"))
    if found is None:
        return "501 5.5.4 Syntax: MAIL FROM:<address>, RCPT TO:<address>, no spaces"
    path = found[1]
    local, at, domain = path.rpartition("@")
    if path and not (local and at and domain):
        return "501 5.1.3 Bad address syntax"
    if len(path.encode()) > LONGEST_PATH - 2 or len(local.encode()) > LONGEST_LOCAL:
        return "501 5.1.7 Address too long"
    return "553 5.1.3 A recipient has an address" if _verb(line) == "RCPT" and not path else None


def _options(line: bytes, _behind: bytes, talk: Talk) -> str | None:
    found = _PATH.fullmatch(line.decode("utf-8", "replace"))
    if found is None:
        return None
    for option in found[2].upper().split():
        keyword, _, value = option.partition("=")
        needed = "8BITMIME" if keyword == "BODY" else keyword
        wrong = _verb(line) != "MAIL" and keyword in ("BODY", "SIZE", "SMTPUTF8")
        if needed not in talk.offered or wrong:
            return f"555 5.5.4 Unsupported option: {option}"
        if keyword == "SIZE" and not value.isdigit():
            return "501 5.5.4 Bad message size syntax"
        if keyword == "SIZE" and talk.largest and int(value) > talk.largest:
            return "552 5.3.4 Message size exceeds fixed limit"
    return None


def _unicode_address(line: bytes, _behind: bytes, talk: Talk) -> str | None:
    if line.isascii():
        return None
    if _verb(line) == "RCPT" and talk.unicode:
        return None
    if _verb(line) == "MAIL" and b" SMTPUTF8" in line.upper():
        return None
    return "553 5.6.7 Must declare SMTPUTF8 to send unicode address"


def _ahead(line: bytes, behind: bytes, talk: Talk) -> str | None:
    last = _verb(line) in ("EHLO", "HELO", "DATA", "STARTTLS", "AUTH", "QUIT", "NOOP")
    if behind and (last or "PIPELINING" not in talk.offered):
        return "503 5.5.0 Error: SMTP protocol synchronization"
    return None


COMMAND_RULES: Sequence[CommandRule] = (
    CommandRule("line-length", "RFC 5321 4.5.3.1.4", _too_long),
    CommandRule("control", "RFC 5321 4.1.2; Postfix, Exim: syntax error", _controls),
    CommandRule("hello-name", "Postfix reject_non_fqdn_helo_hostname; RFC 5321 4.1.3", _hello),
    CommandRule("order", "RFC 5321 4.1.4; Postfix: nested MAIL", _order),
    CommandRule("path", "RFC 5321 4.5.3.1; Postfix strict_rfc821_envelopes", _path),
    CommandRule("option", "RFC 5321 4.1.1.11: options that were not offered", _options),
    CommandRule("unicode-address", "RFC 6531 3.4", _unicode_address),
    CommandRule("ahead", "RFC 2920 3.1; Postfix reject_unauth_pipelining, Exim", _ahead),
)


def _head(payload: bytes) -> bytes:
    return payload.partition(b"\r\n\r\n")[0]


def _fields(payload: bytes) -> list[tuple[str, str]]:
    unfolded = re.sub(rb"\r\n(?=[ \t])", b"", _head(payload))
    lines = (line.partition(b":") for line in unfolded.split(b"\r\n"))
    return [
        (n.decode("latin-1").lower(), v.decode("utf-8", "replace").strip()) for n, _, v in lines
    ]


def _bare(payload: bytes, _talk: Talk) -> str | None:
    if re.search(rb"(?<!\r)\n|\r(?!\n)", payload):
        return "550 5.5.2 Error: bare <LF> or <CR> received"
    return None


def _nul(payload: bytes, _talk: Talk) -> str | None:
    return "550 5.6.0 NUL is not allowed" if b"\0" in payload else None


def _long_line(payload: bytes, _talk: Talk) -> str | None:
    longest = max(map(len, payload.split(b"\r\n")))
    if longest > LONGEST_LINE:
        return f"550 maximum allowed line length is 998 octets, got {longest}"
    return None


def _eight_bit(payload: bytes, talk: Talk) -> str | None:
    body = payload.partition(b"\r\n\r\n")[2]
    if not body.isascii() and not talk.eight_bit:
        return "550 5.6.3 8-bit content without BODY=8BITMIME"
    return None


def _unicode_header(payload: bytes, talk: Talk) -> str | None:
    if not _head(payload).isascii() and not talk.unicode:
        return "550 5.6.7 8-bit header without SMTPUTF8"
    return None


def _field_syntax(payload: bytes, _talk: Talk) -> str | None:
    lines = _head(payload).split(b"\r\n")
    if not _FIELD.match(lines[0]):
        return "550 5.6.0 The header does not begin with a field"
    if any(not _FIELD.match(line) for line in lines if line[:1] not in (b" ", b"\t")):
        return "550 5.6.0 A line of the header is no field"
    return "550 5.6.0 A line of the header is blank" if any(not n.strip() for n in lines) else None


def _once(payload: bytes, _talk: Talk) -> str | None:
    names = [name for name, _ in _fields(payload)]
    if twice := [name for name in _ONCE if names.count(name) > 1]:
        return f"550 5.7.1 This message has multiple {twice[0]} headers"
    missing = [name for name in ("from", "date", "message-id") if name not in names]
    return f"550 5.7.1 '{missing[0]}' header is missing" if missing else None


def _from(payload: bytes, _talk: Talk) -> str | None:
    value = dict(_fields(payload)).get("from", "")
    parsed = email.message_from_bytes(
        b"From: " + value.encode() + b"\r\n\r\n", policy=email.policy.default
    )["from"]
    addresses = [found.addr_spec for found in parsed.addresses]
    if len(addresses) != 1 or not _SENDER.fullmatch(addresses[0]):
        return "550 5.7.1 'From' header is missing or not RFC 5322 compliant"
    return None


def _id(payload: bytes, _talk: Talk) -> str | None:
    value = dict(_fields(payload)).get("message-id", "")
    return None if _ID.fullmatch(value) else "550 5.7.1 Messages need a valid Message-ID header"


def _mime(payload: bytes, _talk: Talk) -> str | None:
    made = email.message_from_bytes(payload.replace(b"\r\n..", b"\r\n."))
    defects = [type(d).__name__ for part in made.walk() for d in part.defects]
    return f"554 5.6.0 Message content rejected: {defects[0]}" if defects else None


def _size(payload: bytes, talk: Talk) -> str | None:
    if talk.largest and len(payload) > talk.largest:
        return "552 5.3.4 Message file too big"
    return None


MESSAGE_RULES: Sequence[MessageRule] = (
    MessageRule("size", "RFC 1870 6.3", _size),
    MessageRule("bare-line-end", "RFC 5321 2.3.8; Postfix smtpd_forbid_bare_newline", _bare),
    MessageRule("nul", "RFC 5321 4.5.2; Sendmail, Exchange", _nul),
    MessageRule("long-line", "RFC 5322 2.1.1; Exim message_linelength_limit", _long_line),
    MessageRule("eight-bit-body", "RFC 6152 3; Postfix strict_8bitmime_body", _eight_bit),
    MessageRule("eight-bit-header", "RFC 6531 3.6; Postfix strict_7bit_headers", _unicode_header),
    MessageRule("field-syntax", "RFC 5322 2.2; Gmail 550 5.7.1", _field_syntax),
    MessageRule("once", "RFC 5322 3.6; Gmail: multiple or missing headers", _once),
    MessageRule("from", "RFC 5322 3.6.2; Gmail: From header", _from),
    MessageRule("message-id", "RFC 5322 3.6.4; Gmail: Message-ID", _id),
    MessageRule("mime", "RFC 2046 5.1; amavis: bad header and MIME checks", _mime),
)


def refusal_of_command(
    line: bytes, behind: bytes, talk: Talk, *, rules: Sequence[CommandRule] = COMMAND_RULES
) -> str | None:
    """Return the first reply that a rule has for a command, or None: it may pass."""
    return next((said for rule in rules if (said := rule.judge(line, behind, talk))), None)


def refusal_of_message(payload: bytes, talk: Talk) -> str | None:
    """Return the first reply that a rule has for a message, or None: it may pass."""
    return next((said for rule in MESSAGE_RULES if (said := rule.judge(payload, talk))), None)
