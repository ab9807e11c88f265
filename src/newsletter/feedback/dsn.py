"""Reads delivery status fields (RFC 3464, RFC 6533) as values, from their own part or from text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from newsletter.feedback.addresses import typed_address

_NAMES = frozenset(
    {"original-recipient", "final-recipient", "action", "status", "remote-mta", "diagnostic-code"}
    | {"last-attempt-date", "final-log-id", "will-retry-until", "x-actual-recipient"}
    | {"original-envelope-id", "reporting-mta", "dsn-gateway", "received-from-mta", "arrival-date"}
    | {"x-supplementary-info", "x-display-name", "x-powermta-bouncecategory", "localized-reason"}
    | {"x-original-envelope-id", "x-postfix-sender", "x-postfix-queue-id", "x-notes"}
)
_RECIPIENT_NAMES = ("final-recipient", "original-recipient", "x-actual-recipient")
_REPEATING = ("final-recipient", "original-recipient", "action", "status")
_FIELD = re.compile(r"[ \t>]{0,4}([A-Za-z][A-Za-z-]{2,40})[ \t]{0,3}:[ \t]*(.*)")
_TYPE = re.compile(r"[A-Za-z0-9_-]{1,20}[ \t]{0,3};[ \t]*")
_STATUS = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)", re.ASCII)
_ACTIONS = (
    ("failed", ("fail", "expired", "error", "undeliver", "bounce", "reject", "denied")),
    ("delayed", ("delay", "defer", "warning")),
    ("delivered", ("deliver", "success")),
    ("relayed", ("relay", "sent")),
    ("expanded", ("expand",)),
)
_LONGEST_VALUE = 2000
_MOST_LINES = 20_000
_MOST_GROUPS = 500


@dataclass(frozen=True, slots=True)
class StatusFields:
    """The fields of one recipient; what is missing is empty.

    `action` is one of failed, delayed, delivered, relayed, expanded, or empty where there is none
    or nobody knows it.
    """

    final: str = ""
    original: str = ""
    action: str = ""
    status: str = ""
    diagnostic: str = ""
    remote_mta: str = ""


@dataclass(frozen=True, slots=True)
class StatusReport:
    """All recipients of a report, and what it says of itself."""

    recipients: tuple[StatusFields, ...] = ()
    reporting_mta: str = ""
    envelope_id: str = ""


def read_status(text: str, *, only_with_recipient: bool = False) -> StatusReport:
    """Read the fields of a report; lines that are none are passed over.

    `only_with_recipient` is for a text for people: an action or status without a recipient is
    just a word there. Where blank lines are missing, a field that comes again begins a recipient.
    """
    groups: list[dict[str, str]] = []
    about: dict[str, str] = {}
    current: dict[str, str] = {}
    last: tuple[dict[str, str], str] | None = None
    for line in text.split("\n")[:_MOST_LINES]:
        found = _FIELD.match(line)
        name = found[1].lower() if found else ""
        if found and name in _NAMES:
            if name in _REPEATING and name in current:
                groups.append(current)
                current = {}
            place = about if name in ("reporting-mta", "original-envelope-id") else current
            place.setdefault(name, found[2].strip()[:_LONGEST_VALUE])
            last = (place, name)
        elif not line.strip():
            last = None
            if _is_whole(current):
                groups.append(current)
                current = {}
        elif last is not None and line[:1] in (" ", "\t"):
            place, name = last
            place[name] = f"{place[name]} {line.strip()}"[:_LONGEST_VALUE]
        elif not found:
            last = None
        if len(groups) >= _MOST_GROUPS:
            break
    groups.append(current)
    whole = [group for group in groups if _counts(group, only_with_recipient=only_with_recipient)]
    return StatusReport(
        recipients=tuple(_fields(group) for group in whole),
        reporting_mta=_untyped(about.get("reporting-mta", "")),
        envelope_id=about.get("original-envelope-id", "")[:200],
    )


def _is_whole(group: dict[str, str]) -> bool:
    named = any(name in group for name in _RECIPIENT_NAMES)
    return named and ("action" in group or "status" in group)


def _counts(group: dict[str, str], *, only_with_recipient: bool) -> bool:
    if any(name in group for name in _RECIPIENT_NAMES):
        return True
    if only_with_recipient:
        return False
    return any(name in group for name in ("action", "status", "diagnostic-code"))


def _fields(group: dict[str, str]) -> StatusFields:
    final = typed_address(group.get("final-recipient", ""))
    original = typed_address(group.get("original-recipient", ""))
    actual = typed_address(group.get("x-actual-recipient", ""))
    diagnostic = _untyped(group.get("diagnostic-code", ""))
    if not diagnostic:
        diagnostic = group.get("x-supplementary-info", "") or group.get("localized-reason", "")
    status = _STATUS.search(group.get("status", ""))
    return StatusFields(
        # Some write the name of a host of their own into the final one.
        final=final if "." in final.partition("@")[2] else original or actual or final,
        original=original,
        action=_action(group.get("action", "")),
        status=status[1] if status else "",
        diagnostic=diagnostic,
        remote_mta=_untyped(group.get("remote-mta", "")),
    )


def _action(value: str) -> str:
    word = value.strip().lower()
    return next((name for name, starts in _ACTIONS if word.startswith(starts)), "")


def _untyped(value: str) -> str:
    return _TYPE.sub("", value, count=1) if _TYPE.match(value) else value
