"""From a checked digest, a list and the settings to a request to freeze.

The one place that says what a campaign is made of, for `send` and for schedules alike.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from newsletter.audience.lists import MailingList
from newsletter.audience.segment_model import Segment
from newsletter.delivery.freeze_request import FreezeRequest, Waves
from newsletter.delivery.preparing import Prepared, refuse_unready
from newsletter.errors import DigestError, Place
from newsletter.settings import Settings


class DigestChanged(DigestError):  # noqa: N818 - a fact, which mends itself
    """The file is another one than a moment ago."""


def freeze_request(
    settings: Settings,
    mailing_list: MailingList,
    prepared: Prepared,
    *,
    again: bool = False,
    start: datetime | None = None,
    segment: Segment | None = None,
    edition: int | None = None,
    waves: Waves | None = None,
    listed: bool = True,
) -> FreezeRequest:
    """Gather what a campaign is made of; `start` None: at once.

    `listed` is what the digest was prepared with: its mails name the page's address.

    Raises `DeliveryError` when the digest has errors, `DigestChanged` when its file is another
    one by now than the one that was checked.
    """
    delivery = settings.delivery
    content = refuse_unready(prepared)
    return FreezeRequest(
        list_id=mailing_list.id,
        list_name=mailing_list.name,
        slug=prepared.digest.slug,
        title=prepared.title,
        content_hash=prepared.digest.content_hash,
        markdown=_markdown(prepared),
        content=content,
        identity=prepared.identity,
        provider=delivery.provider.value,
        on_unknown=delivery.on_unknown.value,
        expires_after=delivery.expires_after,
        again=again,
        not_before=start,
        canary=settings.brakes.canary,
        segment=segment,
        edition=edition,
        waves=waves,
        listed=listed,
    )


def _markdown(prepared: Prepared) -> str:
    """Return the text that was checked, with `\\n` line ends."""
    try:
        data = prepared.path.read_bytes()
    except OSError as error:
        raise DigestChanged(
            f"the digest cannot be read any more: {error.strerror}",
            where=Place(prepared.path),
            fix="put it back, then try again",
        ) from None
    if hashlib.sha256(data).hexdigest() != prepared.digest.content_hash:
        raise DigestChanged(
            "the digest was changed while it was being checked",
            where=Place(prepared.path),
            fix="try again",
        )
    return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
