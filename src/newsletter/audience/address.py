"""The identity of an address (D11): stored as given, compared by its key."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import idna
from email_validator import EmailNotValidError, validate_email

from newsletter.errors import AudienceError

LONGEST = 254
"""RFC 5321 §4.5.3.1.3, less the angle brackets."""

# A strict subset of what the library accepts; all but a few addresses of any list. A property
# test holds the two together.
_PLAIN = re.compile(
    r"(?=.{6,254}\Z)(?=[^@]{1,64}@)"
    r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@"
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9]|-(?!-)){0,61}(?<!-)\.)+[A-Za-z]{2,24}"
)
# Domains that the library refuses because nobody can receive there.
_SPECIAL = ("local", "localhost", "invalid", "test", "arpa", "onion")

ROLES = frozenset(
    {"abuse", "admin", "billing", "contact", "help", "hostmaster", "info", "mailer-daemon"}
    | {"marketing", "no-reply", "noreply", "office", "postmaster", "root", "sales", "security"}
    | {"spam", "support", "webmaster"}
)
"""Local parts that name a function and not a person."""

DISPOSABLE = frozenset(
    {"10minutemail.com", "discard.email", "dispostable.com", "guerrillamail.com", "maildrop.cc"}
    | {"mailinator.com", "mailnesia.com", "sharklasers.com", "temp-mail.org", "trashmail.com"}
    | {"yopmail.com", "getnada.com", "throwawaymail.com", "mintemail.com", "tempmail.net"}
)
"""Domains of addresses that live for an hour."""


_DOTLESS = {"gmail.com": "gmail.com", "googlemail.com": "gmail.com"}
"""Domains that take an address with and without dots for the same, and the name they go by
(support.google.com/mail/answer/7436150)."""


class AddressRefused(AudienceError):  # noqa: N818 - the glossary says refusal
    """What was given is no address we can write to; `code` is stable for reports."""

    def __init__(self, code: str, problem: str) -> None:
        super().__init__(problem, fix="correct the address")
        self.code = code


@dataclass(frozen=True, slots=True)
class Address:
    """An address as given, and the key that says whether two are the same."""

    text: str
    key: str

    @property
    def domain(self) -> str:
        """Return the domain as an A-label."""
        return self.key.rpartition("@")[2]

    @property
    def mailbox(self) -> str:
        """Return the key of the mailbox it leads to: without a tag, and without Gmail's dots.

        It says who gets too many letters, and nothing else: two addresses stay two subscribers.
        """
        local, _, domain = self.key.rpartition("@")
        folded = unicodedata.normalize("NFKC", local).casefold()
        # Nothing before the plus: it is no tag.
        bare = folded.partition("+")[0] or folded
        if domain in _DOTLESS:
            bare = bare.replace(".", "") or bare
        return f"{bare}@{_DOTLESS.get(domain, domain)}"

    @property
    def is_role(self) -> bool:
        """Return whether it names a function such as `postmaster`."""
        return self.key.partition("@")[0] in ROLES

    @property
    def is_disposable(self) -> bool:
        """Return whether its domain gives out addresses for an hour."""
        return self.domain in DISPOSABLE


def parse_address(raw: str) -> Address:
    """Read an address; raises `AddressRefused` with what is wrong.

    Plus-tags and dots are kept: they are different addresses. Quoted local parts and IP literals
    are refused.
    """
    text = raw.strip()
    if _PLAIN.fullmatch(text) and text.rpartition(".")[2].lower() not in _SPECIAL:
        return Address(text, text.lower())
    return _parse_unusual(unicodedata.normalize("NFC", text))


def _parse_unusual(text: str) -> Address:
    if not text:
        raise AddressRefused("empty", "there is no address")
    if any(unicodedata.category(c) in ("Cc", "Cf", "Cs") for c in text):
        raise AddressRefused("control", "the address holds control or invisible characters")
    if "@" not in text:
        raise AddressRefused("no-at", f"'{text[:80]}' has no @")
    if len(text) > LONGEST:
        raise AddressRefused("too-long", f"the address has {len(text)} characters; {LONGEST} go")
    local, _, domain = text.rpartition("@")
    if local.startswith('"'):
        raise AddressRefused("quoted", "quoted local parts are not supported")
    if domain.startswith("["):
        raise AddressRefused("ip-literal", "IP addresses in place of a domain are not supported")
    try:
        valid = validate_email(text, check_deliverability=False, test_environment=False)
    except EmailNotValidError as error:
        raise AddressRefused("invalid", f"'{text[:80]}' is no address: {error}") from None
    try:
        ascii_domain = idna.encode(domain.lower(), uts46=True).decode("ascii")
    except idna.IDNAError:
        raise AddressRefused("invalid", f"'{domain[:80]}' is no domain") from None
    return Address(text, f"{valid.local_part.lower()}@{ascii_domain}")
