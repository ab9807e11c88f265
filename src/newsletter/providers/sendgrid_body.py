"""The body of a `mail/send` call, as plain dicts (F8), within the API's limits (F1–F5, F9)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from newsletter.providers.base import Envelope, Mailing
from newsletter.rendering.headers import wire_address
from newsletter.rendering.merge import clean_value, slot_values
from newsletter.rendering.mime import MessageTemplate

CALL_BYTES = 30_000_000
PERSONAL_BYTES = 10_000
"""Substitutions, and custom arguments, of one personalization (F1)."""


class TooLarge(Exception):  # noqa: N818
    """One recipient's values exceed what the API takes for a personalization."""


@dataclass(frozen=True, slots=True)
class Personal:
    """One envelope with its part of the call."""

    envelope: Envelope
    part: dict[str, Any]
    size: int


def common_body(mailing: Mailing, *, sandbox: bool) -> dict[str, Any]:
    """Return what all recipients share; tags stand where their substitutions go (F3).

    All tracking is off and said so: otherwise SendGrid rewrites links and adds its own way to
    unsubscribe (F4).
    """
    content, identity = mailing.content, mailing.identity
    body: dict[str, Any] = {
        "from": {"email": wire_address(identity.from_email), "name": identity.from_name},
        "subject": content.subject,
        "content": [
            {"type": "text/plain; charset=utf-8", "value": content.text},
            {"type": "text/html; charset=utf-8", "value": content.html},
        ],
        "tracking_settings": {
            "click_tracking": {"enable": False, "enable_text": False},
            "open_tracking": {"enable": False},
            "subscription_tracking": {"enable": False},
            "ganalytics": {"enable": False},
        },
    }
    if identity.reply_to:
        body["reply_to"] = {"email": wire_address(identity.reply_to)}
    if sandbox:
        body["mail_settings"] = {"sandbox_mode": {"enable": True}}
    return body


def personal_part(mailing: Mailing, template: MessageTemplate, envelope: Envelope) -> Personal:
    """Return one recipient's personalization (F2).

    Raises `TooLarge`, `NeedsSmtputf8` for an address the API does not take, `ValueError` for one
    that is none.
    """
    to: dict[str, str] = {"email": wire_address(envelope.address)}
    if name := clean_value(envelope.name):
        to["name"] = name
    part = {
        "to": [to],
        "substitutions": slot_values(mailing.content, envelope.values),
        "custom_args": {
            "delivery": str(envelope.delivery),
            "campaign": str(envelope.delivery.campaign),
        },
    }
    if not mailing.transactional:
        part["headers"] = template.personal_headers(
            subscriber=envelope.delivery.subscriber,
            address=envelope.address,
            values=envelope.values,
        )
    for key in ("substitutions", "custom_args"):
        if len(json.dumps(part[key], ensure_ascii=False).encode()) > PERSONAL_BYTES:
            raise TooLarge(f"its {key} exceed {PERSONAL_BYTES} bytes")
    return Personal(envelope, part, len(json.dumps(part).encode()))


def split_calls(
    common: dict[str, Any], parts: Sequence[Personal], most: int
) -> Iterator[list[Personal]]:
    """Cut a batch into calls of at most `most` personalizations and 30 MB (F1)."""
    base = len(json.dumps(common).encode())
    call: list[Personal] = []
    size = base
    for personal in parts:
        if call and (len(call) >= most or size + personal.size + 2 > CALL_BYTES):
            yield call
            call, size = [], base
        call.append(personal)
        size += personal.size + 2
    if call:
        yield call
