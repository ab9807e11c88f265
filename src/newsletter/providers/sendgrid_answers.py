"""What an answer of SendGrid's API means for the recipients of its call (F6); pure, no wire."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from newsletter.providers.base import AccountProblem, OutcomeKind, Unavailable
from newsletter.whole_words import whole_words

DEFAULT_WAIT = 30.0
LONGEST_WAIT = 3600.0
LONGEST_WORDS = 300

_NAMED = re.compile(r"personalizations[.\[](\d{1,4})\]?((?:[.\[][a-z_0-9]+\]?)*)")
_ABOUT_ADDRESS = re.compile(r"\.to(?:[.\[]\d+\]?)?(?:\.email)?")
_LOCAL_PART = re.compile(r"[^\s<>()\[\]\"',:;]+@")
_SECONDS = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class Settled:
    """The same outcome for everybody of a call: accepted, or unknown."""

    kind: OutcomeKind
    code: int | None = None
    detail: str = ""
    provider_id: str | None = None


@dataclass(frozen=True, slots=True)
class Blame:
    """Why one recipient's part of a call was refused."""

    kind: OutcomeKind
    words: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Nobody was taken: 400, or 413 where it was too much. `named`: whose fault, by their place."""

    code: int
    words: str
    named: Mapping[int, Blame] = field(default_factory=dict)

    @property
    def too_much(self) -> bool:
        """Whether fewer at once may be taken."""
        return self.code == 413


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it was read; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def judge(answer: Answer, count: int, *, sandbox: bool, now: datetime) -> Settled | Refused:
    """Sort the answer to a call of `count` recipients.

    Raises `AccountProblem` and `Unavailable`: then nobody of the call was taken.
    """
    status, errors = answer.status, _errors(answer.body)
    if status == 202 or (status == 200 and sandbox):
        message_id = answer.headers.get("x-message-id")
        return Settled(OutcomeKind.ACCEPTED, 202, provider_id=message_id)
    words = _words(answer.body, errors)
    if status in (400, 413):
        return Refused(status, words, _named(errors, count))
    if status == 429:
        wait = _wait(answer.headers, now)
        raise Unavailable("SendGrid asks us to slow down (429)", retry_after=wait)
    if status == 408:
        raise Unavailable("the call did not reach SendGrid whole in time (408)")
    if status in (401, 403):
        problem, fix = account_refusal(words)
        raise AccountProblem(f"{problem} ({status}): {words}", fix=fix, code=status)
    if 400 <= status < 500:
        raise AccountProblem(
            f"SendGrid refuses the call ({status}): {words}",
            fix="check 'delivery.sendgrid.host' and the account",
            code=status,
        )
    # No idempotency key: what is not a plain no may have been a yes.
    return Settled(OutcomeKind.UNKNOWN, status, words)


_REFUSALS: tuple[tuple[re.Pattern[str], str, str], ...] = tuple(
    (whole_words([words]), problem, fix)
    for words, problem, fix in (
        (
            r"verified senders?|sender identit(?:y|ies)|from address does not match",
            "SendGrid refuses the sender",
            "authenticate the domain of 'sender.from_email' at SendGrid, or verify that address "
            "(Settings > Sender Authentication)",
        ),
        (
            r"credits?|(?:sending|plan|messag\w+) limits?|upgrade your (?:plan|account)",
            "SendGrid's credits are used up",
            "raise the plan at SendGrid or wait until its credits are renewed, then resume",
        ),
        (
            r"trial|billing|payments?|subscription (?:has )?(?:ended|expired)",
            "SendGrid asks to settle the account",
            "look at Settings > Account Details > Your Products at SendGrid, then resume",
        ),
        (
            r"suspend(?:ed)?|suspension|under review|disabled|deactivated|frozen|banned"
            r"|account .*closed",
            "SendGrid has stopped this account",
            "log in at SendGrid and follow what it says, or write to its support",
        ),
        (
            r"ip\b.*\b(?:white|allow)(?:-?list(?:ed|ing)?|ed)?|(?:white|allow)-?list(?:ed|ing)?"
            r"|ip address(?:es)?|ip access",
            "SendGrid does not take calls from this machine's address",
            "add the address of this machine at SendGrid (Settings > IP Access Management)",
        ),
        (
            r"authenticated user is not authorized|required scopes?|permissions?|access forbidden",
            "SendGrid's key lacks a permission",
            "give the key the 'Mail Send' permission (Settings > API Keys)",
        ),
        (
            r"expired|revoked|grant is invalid|authorization required|invalid\b.*\b(?:key|token)s?"
            r"|(?:key|token)s?\b.*\binvalid|bad (?:username|password)|unauthori[sz]ed",
            "SendGrid does not know this key",
            "make a new key with the 'Mail Send' permission and put it in "
            "'delivery.sendgrid.api_key'; a key of the EU region needs region = \"eu\"",
        ),
    )
)
"""What SendGrid says with 401 and 403, and what an operator does about it; the first that fits."""


def account_refusal(words: str) -> tuple[str, str]:
    """Return what a refusal of the account is about, and how it is mended.

    Words that we do not know blame nobody: they are shown with every likely cause.
    """
    for pattern, problem, fix in _REFUSALS:
        if pattern.search(words):
            return problem, fix
    return (
        "SendGrid refuses the call",
        "see what SendGrid says; likely causes are the key, its 'Mail Send' permission, an "
        "unverified sender or the state of the account",
    )


def told_words(body: bytes) -> str:
    """Return what an answer says went wrong, short and without an address in clear."""
    return _words(body, _errors(body))


def _errors(body: bytes) -> list[dict[str, Any]]:
    try:
        errors = json.loads(body)["errors"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
    return [e for e in errors if isinstance(e, dict)] if isinstance(errors, list) else []


def _words(body: bytes, errors: list[dict[str, Any]]) -> str:
    told = "; ".join(dict.fromkeys(str(error.get("message") or "") for error in errors))
    return _shown(told or body[:2000].decode("utf-8", "replace"))


def _shown(words: str) -> str:
    """Return words of an answer fit for a ledger and a screen: short, no address in clear."""
    hidden = _LOCAL_PART.sub("…@", " ".join(words.split()))
    return "".join(c for c in hidden if c.isprintable())[:LONGEST_WORDS]


def _named(errors: list[dict[str, Any]], count: int) -> dict[int, Blame]:
    """Return everybody whom the errors name, by field or in words, with the reason."""
    named: dict[int, Blame] = {}
    for error in errors:
        message = str(error.get("message") or "")
        for text in (str(error.get("field") or ""), message):
            matches = list(_NAMED.finditer(text))
            for place, path in ((int(match[1]), match[2]) for match in matches):
                if place >= count:
                    continue
                if _ABOUT_ADDRESS.fullmatch(path):
                    named[place] = Blame(OutcomeKind.REJECTED_RECIPIENT, _shown(message))
                else:
                    named.setdefault(place, Blame(OutcomeKind.REJECTED_MESSAGE, _shown(message)))
            if matches:
                break
    return named


def _wait(headers: Mapping[str, str], now: datetime) -> float:
    """Return how many seconds to wait: until the reset, as told, or a while."""
    reset, after = headers.get("x-ratelimit-reset", ""), headers.get("retry-after", "")
    if _SECONDS.fullmatch(reset):
        return min(max(1.0, int(reset) - now.timestamp()), LONGEST_WAIT)
    if _SECONDS.fullmatch(after):
        return min(max(1.0, float(after)), LONGEST_WAIT)
    return DEFAULT_WAIT
