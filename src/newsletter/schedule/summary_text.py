"""The daily summary as text: at most 72 columns wide, one screen long. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

from newsletter.clock import zone_of
from newsletter.rendering.alerts import COMMAND_INDENT
from newsletter.rendering.text.writer import COLUMNS, columns, wrap
from newsletter.rendering.theme import format_date
from newsletter.schedule.daily_summary import EditionLine, ListFigures, Summary
from newsletter.schedule.model import EditionStatus
from newsletter.settings import BrakesPart

_LABEL, _NUMBER, _MEAN = 38, 12, 16
_WHEN, _STATE = 18, 26
_TITLE = 60
_GAP = "  "

_ROWS = (
    ("Campaigns begun", "campaigns"),
    ("Recipients", "recipients"),
    ("  delivered", "delivered"),
    ("  accepted, no more is known", "accepted"),
    ("  bounced", "bounced"),
    ("    hard: no such address", "hard"),
    ("    soft: full, or away", "soft"),
    ("    blocked: about us", "blocked"),
    ("    dropped by the provider", "dropped"),
    ("    other", "other"),
    ("  complained", "complained"),
    ("  left out: skipped or expired", "left_out"),
    ("  not settled yet", "unsettled"),
    ("Left the list", "left"),
    ("Joined the list", "joined"),
)
_ALWAYS = ("recipients", "bounced", "complained", "left", "joined")


def subject_of(summary: Summary) -> str:
    """Say the whole in one line: first what needs somebody, then the figures."""
    figures, local = summary.all, summary.at.astimezone(zone_of(summary.zone))
    things = "thing waits" if len(summary.waits) == 1 else "things wait"
    waits = f"{len(summary.waits)} {things} for you, " if summary.waits else ""
    return (
        f"{_short(local.date())}: {waits}{_whole(figures.recipients)} recipients, "
        f"{_whole(figures.bounced)} bounced, {_whole(figures.left)} left, "
        f"{_whole(figures.joined)} joined"
    )


def text_of(summary: Summary, brakes: BrakesPart) -> str:
    """Return the whole text, blocks between blank lines."""
    local = summary.at.astimezone(zone_of(summary.zone))
    head = f"{format_date(local.date(), 'en')}, {local:%H:%M} ({summary.zone})"
    blocks = [wrap(head), *_waits(summary), *_editions(summary)]
    quiet = [one for one in summary.lists if one.day.nothing and one.mean.nothing]
    blocks += [_list(one) for one in summary.lists if one not in quiet]
    if quiet:
        names = ", ".join(_cut(one.title, _TITLE).rstrip() for one in quiet)
        blocks.append(wrap(f"Nothing happened in eight days on: {names}."))
    hints = [hint for one in summary.lists for hint in hints_about(one, brakes)]
    if hints:
        blocks.append(f"{_heading('Deliverability')}\n{wrap(hints[0])}")
        blocks += [wrap(hint) for hint in hints[1:]]
    return "\n\n".join(blocks) + "\n"


def hints_about(one: ListFigures, brakes: BrakesPart) -> Iterator[str]:
    """Say what harms the sender's reputation, by the limits of the brakes (D7)."""
    day, title = one.day, _cut(one.title, _TITLE).rstrip()
    if day.recipients and day.hard / day.recipients > brakes.hard_bounce_rate:
        yield (
            f"{title}: {_share(day.hard, day.recipients)} bounced hard, more than "
            f"{_percent(brakes.hard_bounce_rate)}. Where do these addresses come from? An old or "
            "bought list shows like this."
        )
    often = day.complained >= brakes.complaints_at_least
    if often and day.complained / max(day.handed_over, 1) > brakes.complaint_rate:
        yield (
            f"{title}: {_share(day.complained, day.handed_over)} complained, more than "
            f"{_percent(brakes.complaint_rate)}. Large mailbox providers begin to refuse a sender "
            "at about 0.3 %."
        )
    if day.recipients and day.blocked / day.recipients > brakes.blocked_rate:
        yield (
            f"{title}: {_share(day.blocked, day.recipients)} were refused for what we are, not "
            "for who they are. See 'newsletter doctor' and 'newsletter domains list'."
        )


def _waits(summary: Summary) -> list[str]:
    if not summary.waits:
        return ["Nothing waits for you."]
    told = [f"{wrap(one.what)}\n{COMMAND_INDENT}{one.command}" for one in summary.waits]
    return [f"{_heading('Waits for you')}\n{told[0]}", *told[1:]]


def _editions(summary: Summary) -> list[str]:
    if not summary.editions:
        return []
    lines = [_edition(one, summary.zone) for one in summary.editions]
    return ["\n".join([_heading("Editions of today and tomorrow"), *lines])]


def _edition(one: EditionLine, zone: str) -> str:
    local: datetime = one.due_at.astimezone(zone_of(zone))
    when = f"{_short(local.date())} {local:%H:%M}"
    state = f"sent: campaign {one.campaign}" if one.campaign else _STATES.get(one.state, one.state)
    room = COLUMNS - _WHEN - _STATE - len(_GAP)
    return f"{when:<{_WHEN}}{_cut(one.schedule, room)}{_GAP}{state}".rstrip()


_STATES = {
    EditionStatus.WAITING.value: "waits for time or digest",
    EditionStatus.HELD.value: "WAITS FOR YOUR YES",
    EditionStatus.MISSED.value: "MISSED, nothing was sent",
    EditionStatus.CANCELLED.value: "cancelled by an operator",
    EditionStatus.SKIPPED.value: "left out",
}


def _list(one: ListFigures) -> str:
    title = _cut(one.title, COLUMNS).rstrip()
    rows = [_heading(title), _row("How many", "24 hours", "7-day mean")]
    for label, name in _ROWS:
        day, mean = getattr(one.day, name), getattr(one.mean, name)
        if day or mean or name in _ALWAYS:
            rows.append(_row(label, _whole(day), _mean(mean)))
    return "\n".join(rows)


def _row(label: str, day: str, mean: str) -> str:
    return f"{label:<{_LABEL}}{day:>{_NUMBER}}{mean:>{_MEAN}}"


def _heading(words: str) -> str:
    return f"{words}\n{'-' * min(max(columns(words), 3), COLUMNS)}"


def _cut(text: str, room: int) -> str:
    """Return a text in exactly so many columns, cut where it is longer."""
    text = " ".join(text.split())
    if columns(text) > room:
        while columns(text) >= room:
            text = text[:-1]
        text += "…"
    return text + " " * (room - columns(text))


def _whole(number: float) -> str:
    return f"{round(number):,}"


def _mean(number: float) -> str:
    return f"{number:,.1f}" if 0 < number < 100 else _whole(number)


def _share(part: float, whole: float) -> str:
    return f"{_whole(part)} of {_whole(whole)} ({_percent(part / whole)})"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _short(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b}"
