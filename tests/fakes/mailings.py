"""Builders of what providers are given: a mailing with slots, and envelopes for it."""

from __future__ import annotations

from newsletter.providers.base import DeliveryId, Envelope, Mailing
from newsletter.rendering.content import EmailContent, ListIdentity, Slot, SlotContext


def a_mailing(*, campaign: int = 7, text: str = "", transactional: bool = False) -> Mailing:
    """Return a small mailing that greets by first name in subject, text and HTML."""
    slots = tuple(
        Slot(f"slotfeedx000{n}x", name, default, context)
        for n, (name, default, context) in enumerate(
            (
                ("first_name", "reader", SlotContext.HEADER),
                ("first_name", "reader", SlotContext.TEXT),
                ("first_name", "reader", SlotContext.HTML),
                ("unsubscribe_url", "", SlotContext.TEXT),
                ("unsubscribe_url", "", SlotContext.HTML),
            )
        )
    )
    subject, plain, markup, link, anchor = (slot.tag for slot in slots)
    return Mailing(
        campaign=campaign,
        content=EmailContent(
            subject=f"News for {subject} – Ω",
            preheader="A short look ahead",
            html=f"<html><body><p>Dear {markup}, ≥ 𝕏</p><a href='{anchor}'>leave</a></body></html>",
            text=f"Dear {plain}, ≥ 𝕏\n.a line that starts with a dot\n{text}\nLeave: {link}\n",
            slots=slots,
            language="en",
            direction="ltr",
        ),
        identity=ListIdentity(
            title="Daily",
            list_id="daily.news.example.org",
            from_name="The Daily",
            from_email="daily@news.example.org",
            base_url="https://news.example.org",
            postal_address="1 Main Street",
            timezone="Europe/Paris",
            language="en",
        ),
        message_id_salt="salt0salt0",
        transactional=transactional,
    )


def an_envelope(
    subscriber: int = 1,
    *,
    campaign: int = 7,
    address: str | None = None,
    first_name: str | None = None,
) -> Envelope:
    """Return an envelope whose address and link carry the subscriber's number."""
    name = f"Ann{subscriber}" if first_name is None else first_name
    return Envelope(
        DeliveryId(campaign, subscriber),
        address or f"reader{subscriber}@example.org",
        name,
        {
            "first_name": name,
            "unsubscribe_url": f"https://news.example.org/u/token-of-{subscriber}",
            "preferences_url": f"https://news.example.org/p/token-of-{subscriber}",
        },
    )


def envelopes(count: int) -> list[Envelope]:
    """Return envelopes for subscribers 1 to `count`."""
    return [an_envelope(number) for number in range(1, count + 1)]
