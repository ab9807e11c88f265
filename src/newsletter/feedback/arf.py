"""Reads abuse reports (ARF, RFC 5965 and RFC 6591) and the complaints that use no such part."""

from __future__ import annotations

import re
from dataclasses import dataclass

from newsletter.feedback.addresses import addresses_in, is_of_a_system, typed_address
from newsletter.feedback.reading import Headers, Mail, text_headers
from newsletter.feedback.report_model import Reason

TYPES: dict[str, Reason] = {
    "abuse": Reason.ABUSE,
    "complaint": Reason.ABUSE,
    "spam": Reason.ABUSE,
    "miscategorized": Reason.ABUSE,
    "fraud": Reason.FRAUD,
    "phishing": Reason.FRAUD,
    "virus": Reason.VIRUS,
    "opt-out": Reason.OPT_OUT,
    "opt-out-list": Reason.OPT_OUT,
    "not-spam": Reason.NOT_SPAM,
    "auth-failure": Reason.AUTHENTICATION_FAILURE,
    "dkim": Reason.AUTHENTICATION_FAILURE,
}
"""Feedback types and what they mean; any other is feedback of another sort (RFC 5965 §3.5)."""

# Hosts that forward what a reader called spam, with a subject and no fields.
_COMPLAINT = re.compile(
    r"\b(complaint about (?:a )?message|abuse report|spam report|e?mail feedback report"
    r"|feedback loop|spam complaint)\b",
    re.IGNORECASE,
)
_IN_TEXT = re.compile(
    r"^(?=(?:[A-Z][A-Za-z-]{1,40}:[^\n]{0,500}\n){0,9}Version:)"
    r"(?=(?:[A-Z][A-Za-z-]{1,40}:[^\n]{0,500}\n){0,9}User-Agent:)"
    r"(Feedback-Type:[^\n]{1,100}\n(?:[A-Z][A-Za-z-]{1,40}:[^\n]{0,500}\n?){1,40})",
    re.MULTILINE,
)
_REPLY = re.compile(r"\s{0,9}(?:re|fwd?|aw|wg|tr)\s{0,3}:", re.IGNORECASE)
_REDACTED = ("redacted", "undisclosed", "hidden")


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a report of this kind says; `recipients` only where it names them."""

    reason: Reason
    recipients: tuple[str, ...] = ()
    named_in_report: bool = False
    original_sender: str = ""
    reporter: str = ""


def read_feedback(mail: Mail) -> Feedback | None:
    """Return what a mail complains of; None when it is no feedback at all."""
    returned = text_headers(mail.returned)
    # Broken reports have their fields in the text.
    parts = mail.feedback or tuple(_IN_TEXT.findall(mail.notice)[:1])
    if parts:
        fields = text_headers("\n".join(parts).replace("\n\n", "\n"))
        kind = fields.first("feedback-type").strip().lower()
        named = tuple(
            dict.fromkeys(
                address
                for name in ("original-rcpt-to", "removal-recipient", "final-recipient")
                for value in fields.all(name)
                if (address := typed_address(value))
            )
        )
        return Feedback(
            reason=TYPES.get(kind, Reason.OTHER_FEEDBACK) if kind else Reason.ABUSE,
            recipients=named or _addressed(returned),
            named_in_report=bool(named),
            original_sender=typed_address(fields.first("original-mail-from")),
            reporter=fields.first("user-agent")[:100],
        )
    subject = mail.headers.first("subject")
    kinds = mail.headers.first("content-type").lower()
    forwarded = bool(mail.returned) and not mail.statuses and not _REPLY.match(subject)
    if "feedback-report" in kinds or (forwarded and _COMPLAINT.search(subject)):
        return Feedback(Reason.ABUSE, _addressed(returned))
    return None


def _addressed(returned: Headers) -> tuple[str, ...]:
    """Return to whom the reported message went, where that is one address and not hidden."""
    found = [
        address
        for name in ("to", "x-hmxmroriginalrecipient", "delivered-to")
        for address in addresses_in(returned.first(name))
        if not is_of_a_system(address) and not address.lower().startswith(_REDACTED)
    ]
    return tuple(found[:1]) if len(set(addresses_in(returned.first("to")))) <= 1 else ()
