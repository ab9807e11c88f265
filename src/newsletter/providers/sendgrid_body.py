"""The body of a `mail/send` call, within the API's limits (F1-F5, F9).

It becomes JSON by pieces, each exactly once: what all recipients share once for a campaign, each
recipient's part when it is pulled; a call only joins them. Dicts of a thousand recipients, let
alone the official helper classes (F8), cost several times as much.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from json.encoder import encode_basestring_ascii as _quote
from typing import Any, NamedTuple

from newsletter.one_line import one_line
from newsletter.providers.base import DeliveryId, Envelope, Mailing
from newsletter.rendering.content import Slot, SlotContext
from newsletter.rendering.headers import wire_address
from newsletter.rendering.merge import clean_value, slot_value

CALL_BYTES = 30_000_000
SUBSTITUTION_BYTES = 10_000
"""Of one personalization (F1). Its custom arguments are two short numbers and a short word."""


class Unsendable(Exception):  # noqa: N818
    """One recipient's values do not fit the API, and the address has no part in it."""


class Personal(NamedTuple):
    """One delivery with its personalization as JSON in ASCII: a character is a byte."""

    delivery: DeliveryId
    part: str


class CallForm:
    """What every call for one mailing is filled into; safe to use from several threads.

    `accepted` turns true with the first call the API took: the message itself is then beyond
    suspicion.
    """

    def __init__(self, mailing: Mailing, *, sandbox: bool) -> None:
        self.mailing = mailing
        self.accepted = False
        common = json.dumps(_common(mailing, sandbox=sandbox))
        self._opening, self._closing = common[:-1] + ',"personalizations":[', "]}"
        self.size = len(self._opening) + len(self._closing)
        """Bytes of a call without recipients."""
        self._fillings = _fillings(mailing.content.slots)
        tags = [tag for filling in self._fillings for tag in filling.plain + filling.markup]
        keys = [_quote(tag).replace("%", "%%") for tag in tags]
        self._substituted = "{" + ",".join(f"{key}:%s" for key in keys) + "}"
        # The salt tells our events from those of another newsletter on the same account.
        salt = _quote(mailing.message_id_salt)
        self._campaign = f'"campaign":"{mailing.campaign}","salt":{salt}'
        self._headers = _form_of_headers(mailing)

    def personal(self, envelope: Envelope) -> Personal:
        """Return one recipient's personalization (F2).

        Raises `NeedsSmtputf8` for an address the API does not take, `ValueError` for one that is
        none, and `Unsendable` where the fault is in what we would say.
        """
        delivery, address, name, values, _ = envelope
        to = f'"email":{_quote(wire_address(address))}'
        if name and (name := clean_value(name)):
            to = f'{to},"name":{_quote(name)}'
        substitutions = self._substitutions(values)
        if len(substitutions) > SUBSTITUTION_BYTES and _size(substitutions) > SUBSTITUTION_BYTES:
            raise Unsendable(f"its substitutions exceed {SUBSTITUTION_BYTES} bytes")
        headers = ""
        if self._headers is not None:
            try:
                leaving = self.mailing.template.unsubscribe_value(values)
            except ValueError as error:
                raise Unsendable(str(error)) from None
            headers = f',"headers":{{"List-Unsubscribe":{_quote(leaving)},{self._headers}}}'
        campaign, subscriber = delivery
        return Personal(
            delivery,
            f'{{"to":[{{{to}}}],"substitutions":{substitutions},"custom_args":'
            f'{{"delivery":"{campaign}-{subscriber}",{self._campaign}}}{headers}}}',
        )

    def body(self, call: Sequence[Personal]) -> bytes:
        """Return the body of a call."""
        parts = ",".join([personal.part for personal in call])
        return f"{self._opening}{parts}{self._closing}".encode("ascii")

    def _substitutions(self, values: Mapping[str, str]) -> str:
        quoted: list[str] = []
        for slot, plain, markup in self._fillings:
            value = slot_value(slot, values)
            text = _quote(value)
            quoted += [text] * len(plain)
            if markup:
                if "&" in value or "<" in value or ">" in value or '"' in value or "'" in value:
                    text = _quote(slot_value(replace(slot, context=SlotContext.HTML), values))
                quoted += [text] * len(markup)
        return self._substituted % tuple(quoted)


def _form_of_headers(mailing: Mailing) -> str | None:
    """Return the fields that are the same for all as JSON pairs; None for transactional mail."""
    if mailing.transactional:
        return None
    fixed = mailing.template.fixed_headers
    return ",".join([f"{_quote(name)}:{_quote(value)}" for name, value in fixed.items()])


class _Filling(NamedTuple):
    """The slots of one field and default: their value is made once, and escaped only if need be.

    `plain` and `markup` are the tags that stand in plain text and in HTML (F3).
    """

    slot: Slot
    plain: tuple[str, ...]
    markup: tuple[str, ...]


def _fillings(slots: Iterable[Slot]) -> tuple[_Filling, ...]:
    groups: dict[tuple[str, str], list[Slot]] = {}
    for slot in slots:
        groups.setdefault((slot.field, slot.default), []).append(slot)
    return tuple(
        _Filling(
            replace(group[0], context=SlotContext.TEXT),
            plain=tuple(s.tag for s in group if s.context is not SlotContext.HTML),
            markup=tuple(s.tag for s in group if s.context is SlotContext.HTML),
        )
        for group in groups.values()
    )


def _common(mailing: Mailing, *, sandbox: bool) -> dict[str, Any]:
    """Return what all recipients share; tags stand where their substitutions go (F3).

    All tracking is off and said so: otherwise SendGrid rewrites links and adds its own way to
    unsubscribe (F4).
    """
    content, identity = mailing.content, mailing.identity
    body: dict[str, Any] = {
        "from": {
            "email": wire_address(identity.from_email),
            "name": one_line(identity.from_name),
        },
        "subject": one_line(content.subject),
        "content": [
            # Bare types, plain before HTML: SendGrid names the charset itself and refuses any
            # parameter with 400 (Mail Send errors, content.type).
            {"type": "text/plain", "value": content.text},
            {"type": "text/html", "value": content.html},
        ],
        "tracking_settings": {
            "click_tracking": {"enable": False, "enable_text": False},
            "open_tracking": {"enable": False},
            "subscription_tracking": {"enable": False},
            "ganalytics": {"enable": False},
        },
    }
    if mailing.transactional:
        # As over SMTP: nothing automatic should answer it (RFC 3834 §5).
        body["headers"] = {"Auto-Submitted": "auto-generated"}
    if identity.reply_to:
        body["reply_to"] = {"email": wire_address(identity.reply_to)}
    if sandbox:
        body["mail_settings"] = {"sandbox_mode": {"enable": True}}
    return body


def _size(pairs: str) -> int:
    """Return the bytes of a JSON object in UTF-8, where an escaped character may be shorter."""
    return len(json.dumps(json.loads(pairs), ensure_ascii=False).encode("utf-8", "replace"))
