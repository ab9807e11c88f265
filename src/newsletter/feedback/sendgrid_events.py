"""SendGrid's events as arrivals (D10): what its words mean, and nothing of what follows.

A body is read only after its signature was proven. Whatever stands in an event, it is read: what is
odd is left out or cut, and what is unknown is kept.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from newsletter.delivery.bounce_classes import BounceClass
from newsletter.feedback.events import Arrival, EventKind, Provenance
from newsletter.providers.base import DeliveryId

LONGEST_TEXT = 2000
"""Characters that are kept of one field."""
LARGEST_DETAIL = 16_000
"""Characters of JSON that are kept of one event."""
LONGEST_ID = 128
LONGEST_ADDRESS = 320

Classify = Callable[[str | None, int | None, str], BounceClass]
"""What a refusal means, by its status, its SMTP code and its text; `bounce_class` is one."""

_KINDS: Mapping[str, EventKind] = {
    "processed": EventKind.PROCESSED,
    "delivered": EventKind.DELIVERED,
    "deferred": EventKind.DEFERRED,
    "bounce": EventKind.BOUNCED,
    # Only of old: today it is a bounce whose type is `blocked`.
    "blocked": EventKind.BLOCKED,
    "dropped": EventKind.DROPPED,
    "spamreport": EventKind.COMPLAINED,
    "unsubscribe": EventKind.UNSUBSCRIBED,
    "group_unsubscribe": EventKind.UNSUBSCRIBED,
    "group_resubscribe": EventKind.RESUBSCRIBED,
    "open": EventKind.OPENED,
    "click": EventKind.CLICKED,
}

_DROPS: Mapping[str, tuple[str, BounceClass | None]] = {
    "bounced address": ("bounced", BounceClass.HARD),
    "invalid": ("invalid", BounceClass.HARD),
    "spam reporting address": ("complaint", None),
    "unsubscribed address": ("unsubscribed", None),
}
"""Why SendGrid did not try, by its words; every other reason speaks of the message or of us."""

_NAMED = ("event", "email", "timestamp", "sg_event_id", "sg_message_id", "delivery", "campaign")
_TOLD_FIRST = (*_NAMED, "salt", "type", "status", "reason", "response", "bounce_classification")
_SMALLEST_FIELD = 8
_LATEST = timedelta(days=1)
_CODE = re.compile(r"\s*([245]\d\d)(?!\d)", re.ASCII)
_UNFIT = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class BadBody(Exception):  # noqa: N818 - says what it is
    """A body that is no list of events; the words name no person."""


def read_events(body: bytes, received_at: datetime, classify: Classify) -> list[Arrival]:
    """Return the events of a post, in their order.

    `body` is a JSON array of objects, or one object. An event whose time is missing or makes no
    sense happened at `received_at`; one without an id is known by its content. Raises `BadBody`.
    """
    try:
        return [_arrival(event, received_at, classify) for event in _parse(body)]
    except RecursionError:
        raise BadBody("nested too deeply") from None


def _parse(body: bytes) -> list[dict[str, Any]]:
    try:
        found = _DECODER.decode(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise BadBody("not UTF-8") from None
    except ValueError:
        raise BadBody("not JSON") from None
    events = [found] if isinstance(found, dict) else found
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        raise BadBody("not a list of objects")
    return events


def _arrival(event: dict[str, Any], received_at: datetime, classify: Classify) -> Arrival:
    word = event.get("event")
    kind = _KINDS.get(word, EventKind.OTHER) if isinstance(word, str) else EventKind.OTHER
    detail = event if _is_plain(event) or _is_fit(json.dumps(event)) else _cut(event)
    bounce: BounceClass | None = None
    reason = ""
    if kind is EventKind.BOUNCED or kind is EventKind.BLOCKED:
        bounce = _class_of(event, kind, classify)
        kind = EventKind.BLOCKED if bounce is BounceClass.BLOCKED else EventKind.BOUNCED
        detail = _with_failure(detail)
    elif kind is EventKind.DROPPED:
        reason, bounce = _DROPS.get(_text(event, "reason").strip().lower(), ("other", None))
        detail = _with_failure(detail)
    elif kind is EventKind.OPENED and event.get("sg_machine_open") is True:
        reason = "machine"
    delivery = event.get("delivery")
    return Arrival(
        _id(event),
        _time(event.get("timestamp"), received_at),
        kind,
        Provenance.SENDGRID,
        delivery=DeliveryId.parse(delivery) if isinstance(delivery, str) else None,
        address=_UNFIT.sub("", _text(event, "email")[:LONGEST_ADDRESS]).strip(),
        bounce=bounce,
        reason=reason,
        detail=detail,
    )


def _id(event: Mapping[str, Any]) -> str:
    """Return what the event is known by, however often it is told (E2)."""
    given = event.get("sg_event_id")
    if isinstance(given, str) and given:
        if len(given) <= LONGEST_ID - 3 and given.isascii() and given.isprintable():
            return f"sg:{given}"
        known: object = given
    else:
        known = event
    canonical = json.dumps(known, sort_keys=True, separators=(",", ":"))
    return f"sg:sha256:{hashlib.sha256(canonical.encode('ascii')).hexdigest()}"


def _time(told: object, received_at: datetime) -> datetime:
    if isinstance(told, str) and told.isascii() and told.isdigit() and len(told) <= 11:
        told = int(told)
    if isinstance(told, bool) or not isinstance(told, int | float) or told <= 0:
        return received_at
    try:
        at = datetime.fromtimestamp(told, UTC)
    except (OverflowError, ValueError, OSError):
        return received_at
    return at if at - received_at <= _LATEST else received_at


def _class_of(event: Mapping[str, Any], kind: EventKind, classify: Classify) -> BounceClass:
    if kind is EventKind.BLOCKED or _text(event, "type").lower() == "blocked":
        return BounceClass.BLOCKED
    reason = _text(event, "reason") or _text(event, "response")
    code = _CODE.match(reason)
    return classify(_text(event, "status") or None, int(code[1]) if code else None, reason)


def _with_failure(detail: Mapping[str, Any]) -> dict[str, Any]:
    """Return the detail of a failure with the names that bounce mail uses, where they are told."""
    told = {
        "status": _text(detail, "status"),
        "diagnostic": _text(detail, "reason") or _text(detail, "response"),
    }
    return {**detail, **{name: value for name, value in told.items() if value}}


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _is_plain(event: Mapping[str, Any]) -> bool:
    """Return whether an event is surely fit to be kept as it is: quicker than to write it as JSON.

    What is printable holds neither NUL nor halves of characters.
    """
    size = 0
    for name, value in event.items():
        if isinstance(value, str):
            if not value.isprintable():
                return False
            size += len(value)
        elif not isinstance(value, int):
            return False
        if not name.isprintable():
            return False
        size += len(name)
    return size <= LONGEST_TEXT


def _is_fit(whole: str) -> bool:
    """Return whether JSON can be kept as it is: short, and of characters that can be stored."""
    return len(whole) <= LONGEST_TEXT and "\\u00" not in whole and "\\ud" not in whole


def _cut(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event whose texts are cut, what we need of it first, until it is large enough."""
    first = [name for name in _TOLD_FIRST if name in event]
    kept: dict[str, Any] = {}
    room = LARGEST_DETAIL
    for name in dict.fromkeys([*first, *event]):
        key, value = _cut_text(name), _cut_value(event[name])
        size = len(json.dumps({key: value}))
        if size <= room:
            kept[key] = value
            room -= size
        if room < _SMALLEST_FIELD:
            break
    return kept


def _cut_value(value: Any) -> Any:
    if isinstance(value, str):
        return _cut_text(value)
    if isinstance(value, list | dict):
        text = json.dumps(value)
        return value if _is_fit(text) else _cut_text(json.dumps(value, ensure_ascii=False))
    return value


def _cut_text(text: str) -> str:
    """Return a text short, and without what a database refuses: NUL and halves of characters."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text[:LONGEST_TEXT])


_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


def _number(text: str) -> int | str:
    return int(text) if len(text) <= 18 else text


def _fraction(text: str) -> float | str:
    value = float(text)
    return value if math.isfinite(value) else text


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON (RFC 8259 §6)")


_DECODER = json.JSONDecoder(parse_int=_number, parse_float=_fraction, parse_constant=_no_number)
