"""The words of editions: why they wait, what became of them, and the alerts about them. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, datetime

from newsletter.clock import zone_to_show
from newsletter.delivery.alert_words import alert_body
from newsletter.delivery.alerts import Alert, AlertKind
from newsletter.schedule.model import Edition, Schedule

PAUSED = "the schedule is paused"
NOT_DUE_ANY_MORE = "the schedule was changed: it is not due on this day any more"
NOBODY_THERE = "nobody was there at its time, and its grace is over"
NOT_SENT = "nobody was there to send it between an operator's yes and the deadline"
NOT_DECIDED = "no operator said yes before the deadline"
ASKED = "it waits for an operator's yes"
AGREED = "an operator said yes to it; it waits for its time"
REFUSED = "an operator said no"
BY_HAND = "an operator sent it by 'run-now'"


def skipped_words(note: str | None) -> str:
    """Say that an operator skipped the day, and what they noted."""
    return f"the day is skipped: {note}" if note else "the day is skipped"


def superseded(newer: date) -> str:
    """Say that only the newest edition sends the last digest."""
    return f"the edition of {newer} is due too and sends the last digest"


def stale(name: str, campaign: int) -> str:
    """Say that the digest which is there was sent before."""
    return f"{name} was sent before as campaign {campaign}; the new digest is not there yet"


def name_taken(name: str, slug: str, campaign: int) -> str:
    """Say that a digest needs a name of its own."""
    return (
        f"{name} is called '{slug}', as another digest was that went out as campaign {campaign}: "
        "give it another name, or a 'slug' of its own in its front matter"
    )


def already(campaign: int) -> str:
    """Say that the readers have the digest by another campaign."""
    return f"already sent as campaign {campaign}"


def copied(schedule: Schedule) -> str:
    """Say that a copy of the database does nothing by itself (G19)."""
    return (
        "this database counts as a copy, and the original may send it; to let it go on: newsletter "
        f"schedule pause {schedule.name}, then newsletter schedule resume {schedule.name}"
    )


def clock_time(schedule: Schedule, at: datetime) -> str:
    """Return an instant as the schedule's zone writes it."""
    zone = zone_to_show(schedule.timezone)
    local = at.astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M} ({zone.key})"


def edition_missed(schedule: Schedule, edition: Edition, reason: str) -> Alert:
    """Tell that an edition was not sent and will not be by itself (H4, H5, H7)."""
    day = edition.day
    return Alert(
        AlertKind.EDITION_MISSED,
        key=f"edition {edition.id} missed at {edition.deadline_at.isoformat()}",
        subject=f"Missed: {schedule.name} of {day} to {schedule.list_name}",
        body=alert_body(
            f"The edition of {day} of '{schedule.name}', due at "
            f"{clock_time(schedule, edition.due_at)}, was missed.",
            f"Why: {reason}",
            f"What it means: nobody on '{schedule.list_name}' got anything for this day, and "
            "nothing more is sent for it by itself.",
            "What to do: correct the cause. If it shall still go out, send it by hand."
            if reason != NOT_DECIDED
            else "What to do: send it by hand, if it shall still go out.",
            commands=(
                f"newsletter schedule show {schedule.name}",
                f"newsletter schedule run-now {schedule.name} {day}",
            ),
        ),
    )


def editions_missed(schedule: Schedule, days: Sequence[date]) -> Alert:
    """Tell at once of all the days at whose time nobody was there (H4)."""
    first, last = min(days), max(days)
    span = f"of {first}" if first == last else f"of {first} to {last}"
    count = f"{len(days)} edition{'s' if len(days) > 1 else ''}"
    return Alert(
        AlertKind.EDITION_MISSED,
        key=f"schedule {schedule.id} missed {first} to {last}",
        subject=f"Missed: {schedule.name} {span} to {schedule.list_name}",
        body=alert_body(
            f"{count} of '{schedule.name}' {'was' if len(days) == 1 else 'were'} missed: "
            f"{', '.join(map(str, days))}.",
            f"Why: {NOBODY_THERE}. Neither 'newsletter serve' nor anything else that looks after "
            "schedules was running.",
            f"What it means: nobody on '{schedule.list_name}' got anything for this, and nothing "
            "more is sent for it by itself.",
            "What to do: find out why it did not run. If a day shall still go out, send it by "
            "hand.",
            commands=(
                f"newsletter schedule show {schedule.name}",
                f"newsletter schedule run-now {schedule.name} {last}",
            ),
        ),
    )


def edition_trouble(schedule: Schedule, edition: Edition, reason: str, about: str) -> Alert:
    """Tell that an edition waits for a correction; once for each `about`, such as a revision."""
    mark = hashlib.sha256(about.encode("utf-8", "replace")).hexdigest()[:16]
    return Alert(
        AlertKind.EDITION_TROUBLE,
        key=f"edition {edition.id} trouble {mark}",
        subject=f"Not ready: {schedule.name} of {edition.day} to {schedule.list_name}",
        body=alert_body(
            f"The edition of {edition.day} of '{schedule.name}', due at "
            f"{clock_time(schedule, edition.due_at)}, cannot be sent as it is.",
            f"Why: {reason}",
            "What it means: it waits, and is looked at again every few seconds. If it is corrected "
            f"before {clock_time(schedule, edition.deadline_at)}, it still goes out; after that it "
            "is missed.",
            "What to do: correct what is named above.",
            commands=(
                *((f"newsletter check {edition.day}",) if ".md" in reason else ()),
                f"newsletter schedule show {schedule.name}",
            ),
        ),
    )


def edition_late(schedule: Schedule, edition: Edition, reason: str) -> Alert:
    """Tell, once, that the time has come and nothing could be sent so far (H5, H10)."""
    return Alert(
        AlertKind.EDITION_TROUBLE,
        key=f"edition {edition.id} late since {edition.due_at.isoformat()}",
        subject=f"Late: {schedule.name} of {edition.day} to {schedule.list_name}",
        body=alert_body(
            f"The edition of {edition.day} of '{schedule.name}' was due at "
            f"{clock_time(schedule, edition.due_at)}, and nothing has been sent.",
            f"Why: {reason}",
            "What it means: readers have got nothing so far. Once the digest is there it goes out "
            f"by itself, until {clock_time(schedule, edition.deadline_at)}; after that the edition "
            "is missed.",
            "What to do: put the digest into its folder, or call the day off.",
            commands=(
                f"newsletter schedule show {schedule.name}",
                f"newsletter schedule cancel {schedule.name} {edition.day}",
            ),
        ),
    )


def edition_undecided(schedule: Schedule, edition: Edition) -> Alert:
    """Tell, once, that the time has come and no operator has decided (H7, H10)."""
    return Alert(
        AlertKind.EDITION_TROUBLE,
        key=f"edition {edition.id} undecided since {edition.due_at.isoformat()}",
        subject=f"Waits for your yes: {schedule.name} of {edition.day} to {schedule.list_name}",
        body=alert_body(
            f"The edition of {edition.day} of '{schedule.name}' was due at "
            f"{clock_time(schedule, edition.due_at)} and still waits for an operator's yes.",
            "What it means: readers have got nothing so far. With a yes it goes out at once, until "
            f"{clock_time(schedule, edition.deadline_at)}; after that the edition is missed.",
            "What to do: look at the proof, and decide.",
            commands=(
                f"newsletter schedule approve {schedule.name} {edition.day}",
                f"newsletter schedule cancel {schedule.name} {edition.day}",
            ),
        ),
    )
