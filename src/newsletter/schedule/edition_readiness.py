"""Whether an edition's digest is there, new to its readers, and without errors.

Nothing is written here; what follows from it stands in `keeping`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from newsletter.delivery.preparing import Prepared
from newsletter.delivery.requests import DigestChanged
from newsletter.errors import NewsletterError, StorageError, TryAgainLater
from newsletter.schedule import edition_words as words
from newsletter.schedule.choosing import Chosen, NotThere, Shelf
from newsletter.schedule.edition_firing import Firing
from newsletter.schedule.edition_history import Past, earlier_campaign, judge
from newsletter.schedule.edition_view import View


@dataclass(frozen=True, slots=True)
class Ready:
    """The digest that may be sent; `prepared` is None where it need not be checked now."""

    chosen: Chosen
    prepared: Prepared | None


@dataclass(frozen=True, slots=True)
class Had:
    """The readers have this digest by another campaign: nothing is left to send (G1)."""

    campaign: int


def find_ready(
    view: View, shelf: Shelf, firing: Firing, now: datetime, *, patient: bool = True
) -> Ready | NotThere | Had:
    """Look for an edition's digest and check it.

    Not `patient`: also one that was changed a moment ago. Raises `StorageError` and
    `TryAgainLater` when the database cannot be read.
    """
    edition, schedule = view.edition, view.schedule
    chosen = shelf.choose(schedule.digest_rule, edition.day, now if patient else None)
    if isinstance(chosen, NotThere):
        return chosen
    name, revision = chosen.path.name, chosen.content_hash
    with firing.database.read() as connection:
        earlier = earlier_campaign(connection, schedule, chosen)
    if earlier is not None:
        match judge(earlier, schedule, edition, chosen):
            case Past.ALREADY:
                return Had(earlier.campaign)
            case Past.STALE:
                return NotThere(words.stale(name, earlier.campaign))
            case Past.NAME_TAKEN:
                reason = words.name_taken(name, chosen.slug, earlier.campaign)
                return NotThere(reason, mistake=reason)
    comes = view.is_agreed(revision) and now < edition.due_at
    if view.is_asked(revision) or (comes and edition.content_hash == revision):
        return Ready(chosen, None)
    try:
        return Ready(chosen, firing.check(schedule, chosen, now))
    except (StorageError, TryAgainLater):
        raise
    except DigestChanged as error:
        return NotThere(str(error))
    except NewsletterError as error:
        # Once for each revision, however its errors are worded.
        return NotThere(str(error), mistake=f"{type(error).__name__} {revision}")
