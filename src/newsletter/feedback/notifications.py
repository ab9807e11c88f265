"""Reads bounces that a provider tells as JSON by mail (Amazon's notifications of SES)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from newsletter.feedback.addresses import typed_address
from newsletter.feedback.arf import TYPES
from newsletter.feedback.dsn import StatusFields
from newsletter.feedback.report_model import Reason

_LONGEST = 64 * 1024
_MOST_RECIPIENTS = 500
_ACTION_OF_TYPE = {"permanent": "failed", "transient": "failed", "undetermined": "failed"}
_STATUS_OF_TYPE = {
    ("permanent", "general"): "5.0.0",
    ("permanent", "noemail"): "5.1.1",
    ("permanent", "suppressed"): "5.1.1",
    ("permanent", "onaccountsuppressionlist"): "5.1.1",
    ("transient", "mailboxfull"): "4.2.2",
    ("transient", "messagetoolarge"): "4.3.4",
    ("transient", "contentrejected"): "5.7.1",
    ("transient", "attachmentrejected"): "5.7.1",
    ("transient", "general"): "4.0.0",
}


@dataclass(frozen=True, slots=True)
class Notification:
    """What a notification says: statuses of recipients, or a complaint of some."""

    statuses: tuple[StatusFields, ...] = ()
    complaint: Reason | None = None
    complainants: tuple[str, ...] = ()


def read_notification(text: str) -> Notification | None:
    """Return the first notification in a text; None when there is none."""
    start = text.find("{")
    if start < 0 or "otificationType" not in text.replace("\n", ""):
        return None
    for document in _documents(text[start : start + _LONGEST]):
        kind = str(document.get("notificationType") or document.get("eventType") or "").lower()
        if kind == "bounce":
            return Notification(statuses=tuple(_bounced(_part(document, "bounce"))))
        if kind == "complaint":
            part = _part(document, "complaint")
            sort = str(part.get("complaintFeedbackType") or "abuse").lower()
            return Notification(
                complaint=TYPES.get(sort, Reason.OTHER_FEEDBACK),
                complainants=tuple(_addresses(part.get("complainedRecipients"))),
            )
        if kind == "delivery":
            found = _addresses(_part(document, "delivery").get("recipients"))
            delivered = (StatusFields(final=one, action="delivered") for one in found)
            return Notification(statuses=tuple(delivered))
    return None


def _documents(text: str) -> Iterator[dict[str, Any]]:
    """Yield the document that a text begins with, as it is or with its line ends taken out."""
    for form in (text, text.replace("\n", "")):
        try:
            document, _ = json.JSONDecoder(strict=False).raw_decode(form)
        except (ValueError, RecursionError):
            continue
        if not isinstance(document, dict):
            continue
        inner = document.get("Message")
        if isinstance(inner, str) and "otificationType" in inner:
            yield from _documents(inner)
        yield document


def _part(document: dict[str, Any], name: str) -> dict[str, Any]:
    part = document.get(name)
    return part if isinstance(part, dict) else {}


def _bounced(part: dict[str, Any]) -> Iterator[StatusFields]:
    kind = str(part.get("bounceType") or "").lower()
    sort = str(part.get("bounceSubType") or "").lower()
    recipients = part.get("bouncedRecipients")
    for one in recipients[:_MOST_RECIPIENTS] if isinstance(recipients, list) else []:
        if not isinstance(one, dict):
            continue
        action = str(one.get("action") or "").lower()
        diagnostic = str(one.get("diagnosticCode") or "").partition("; ")
        yield StatusFields(
            final=typed_address(str(one.get("emailAddress") or "")),
            action=action if action in ("failed", "delayed") else _ACTION_OF_TYPE.get(kind, ""),
            status=str(one.get("status") or _STATUS_OF_TYPE.get((kind, sort), "")),
            diagnostic=(diagnostic[2] or diagnostic[0])[:2000],
            remote_mta=str(part.get("remoteMtaIp") or "")[:255],
        )


def _addresses(recipients: object) -> Iterator[str]:
    for one in recipients[:_MOST_RECIPIENTS] if isinstance(recipients, list) else []:
        text = one.get("emailAddress") if isinstance(one, dict) else one
        if address := typed_address(str(text or "")):
            yield address
