"""A campaign's report as lines of text with small charts, as wide as the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from newsletter.delivery.states import DeliveryState
from newsletter.feedback.charts import bar, sparkline
from newsletter.feedback.report_figures import (
    HANDED_OVER,
    Attention,
    CampaignReport,
    DomainFigures,
    Failures,
)

NARROWEST = 60
"""Columns below which lines are longer than the terminal rather than without meaning."""
_LONGEST_BAR = 40
_NAME, _COUNT, _SHARE = 16, 11, 9
"""Columns of a figure's name, of its number, and of its share."""

_WIDE_NAME, _NARROW_NAME = 22, 11
"""Columns of a domain's name."""

_S = DeliveryState
_NOT_HANDED_OVER = tuple(state for state in DeliveryState if state not in HANDED_OVER)
_ALWAYS_SHOWN = (_S.ACCEPTED, _S.DELIVERED)

_FAILURE_NAMES = {"other": "otherwise"}
_DOMAIN_COLUMNS = {
    "recipients": "recipients",
    "accepted": "accepted",
    "delivered": "delivered",
    "hard": "hard",
    "soft": "soft",
    "blocked": "blocked",
    "dropped": "dropped",
    "complained": "complaints",
}


@dataclass(frozen=True, slots=True)
class Page:
    """What the text is shown on: so many columns, and whether in ASCII only."""

    width: int
    plain: bool

    def bar(self, value: float, most: float, taken: int) -> str:
        """Return a bar in what is left of the line behind so many columns."""
        room = min(self.width - taken, _LONGEST_BAR)
        return bar(value, most, room, plain=self.plain)

    def cut(self, text: str, width: int) -> str:
        """Return a text in one line, cut to a width."""
        text = one_line(text)
        if len(text) <= width:
            return text
        mark = "..." if self.plain else "…"
        return text[: max(0, width - len(mark))] + mark

    def sentence(self, text: str) -> list[str]:
        """Return a sentence as lines."""
        return textwrap.wrap(
            one_line(text),
            self.width,
            initial_indent="  ",
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )


def one_line(text: str) -> str:
    """Return a text that came from outside in one line, without what a terminal would obey."""
    flat = " ".join(text.split())
    return flat if flat.isprintable() else "".join(c if c.isprintable() else "?" for c in flat)


def report_lines(report: CampaignReport, *, width: int, plain: bool) -> list[str]:
    """Return the report as lines of at most `width` columns; `plain`: charts in ASCII."""
    page = Page(max(width, NARROWEST), plain)
    sections = (
        _head(report, page),
        [*_states(report, page), *_reasons(report, page), *_arrival(report, page)],
        _bounces(report, page),
        _readers(report, page),
        _domains(report, page),
        _sending(report, page),
        _answers(report, page),
        _doubts(report, page),
    )
    lines: list[str] = []
    for section in sections:
        if section:
            lines += [*([""] if lines else []), *section]
    return lines


def _head(report: CampaignReport, page: Page) -> list[str]:
    campaign = report.ledger.campaign
    segment = f", segment '{campaign.segment}'," if campaign.segment else ""
    why = f" ({campaign.status_reason})" if campaign.status_reason else ""
    began = report.sending.started_at
    when = f"began {_moment(began)} UTC, sent for " if began else "not begun; sent for "
    return [
        one_line(
            f"campaign {campaign.id}: '{campaign.title}' to '{campaign.list}'{segment} "
            f"by {campaign.provider}: {campaign.status}{why}"
        ),
        *page.sentence(f"{when}{campaign.sending_ms / 1000:,.1f} s in all"),
    ]


def _states(report: CampaignReport, page: Page) -> list[str]:
    states, recipients = report.ledger.states, report.recipients
    lines = [_figure("handed over", report.handed_over, recipients, page)]
    for state in HANDED_OVER:
        if states.of(state) or state in _ALWAYS_SHOWN:
            lines.append(_figure(f"  {state.label}", states.of(state), recipients, page))
    lines += [
        _figure(state.label, states.of(state), recipients, page)
        for state in _NOT_HANDED_OVER
        if states.of(state)
    ]
    total = f"  {'= recipients':<{_NAME}}{recipients:>{_COUNT},}"
    if states.all != recipients:
        total += f"  but the states add up to {states.all:,}: newsletter verify"
    return ["recipients", *lines, total]


def _figure(name: str, count: int, whole: int, page: Page) -> str:
    line = f"  {name:<{_NAME}}{count:>{_COUNT},}{_percent(count, whole):>{_SHARE}}  "
    return (line + page.bar(count, whole, len(line))).rstrip()


def _reasons(report: CampaignReport, page: Page) -> list[str]:
    by_state: dict[str, list[str]] = {}
    for state, reason, count in report.ledger.reasons:
        # Those who bounced stand in a table of their own.
        if state != _S.BOUNCED.label:
            by_state.setdefault(state, []).append(f"{count:,} {reason}")
    return [
        line
        for state, parts in by_state.items()
        for line in page.sentence(f"{state}: {', '.join(parts)}")
    ]


def _arrival(report: CampaignReport, page: Page) -> list[str]:
    """Say what is known of arrival: accepted is not delivered."""
    if not report.handed_over:
        return []
    delivered = report.ledger.states.of(_S.DELIVERED)
    if report.reports_delivery:
        text = (
            f"{delivered:,} of {report.handed_over:,} handed over are known to be delivered; "
            f"of {report.ledger.states.of(_S.ACCEPTED):,} accepted nothing more is known"
        )
    else:
        provider = report.ledger.campaign.provider
        text = (
            f"no delivery reports from this provider ({provider}): accepted says that it took "
            "a message, not that it arrived"
        )
    return page.sentence(text)


def _bounces(report: CampaignReport, page: Page) -> list[str]:
    first, then = report.at_sending, report.afterwards
    if not first.all and not then.all:
        return []
    rows = [
        (_FAILURE_NAMES.get(name, name), getattr(first, name), getattr(then, name))
        for name in (field.name for field in fields(Failures))
    ]
    most = max(early + late for _name, early, late in rows)
    lines = [f"{'bounces':<{_NAME + 2}}{'at sending':>12}{'afterwards':>12}{'all':>{_COUNT}}"]
    for name, early, late in rows:
        if early + late:
            line = f"  {name:<{_NAME}}{early:>12,}{late:>12,}{early + late:>{_COUNT},}  "
            lines.append((line + page.bar(early + late, most, len(line))).rstrip())
    total = first.all + then.all
    lines.append(f"  {'= bounces':<{_NAME}}{first.all:>12,}{then.all:>12,}{total:>{_COUNT},}")
    return lines


def _readers(report: CampaignReport, page: Page) -> list[str]:
    """Say what readers did: complained, left, opened, clicked."""
    if not report.handed_over:
        return []
    complained, left = report.ledger.states.of(_S.COMPLAINED), report.departures
    share = _percent(complained, report.handed_over, digits=2)
    lines = page.sentence(f"complaints: {complained:,}, {share} of handed over")
    if left.since is not None:
        ways = f": {', '.join(f'{count:,} by {way}' for way, count in left.ways)}"
        until = f"{_moment(left.until)}, when the next one began" if left.until else "now"
        lines += page.sentence(
            f"unsubscribed: {left.count:,} of those it went to left "
            f"'{report.ledger.campaign.list}' between {_moment(left.since)} and {until}"
            + ways
            * bool(left.ways)
        )
    for word, found in (("opened", report.opened), ("clicked", report.clicked)):
        if found is not None:
            lines += page.sentence(f"{word}: {_attention(found)}")
    return ["readers", *lines]


def _attention(found: Attention) -> str:
    return (
        f"{found.deliveries:,} messages, {found.people:,} by people, "
        f"{found.machines_only:,} only by machines; told of {found.events:,} times"
    )


def _domains(report: CampaignReport, page: Page) -> list[str]:
    found = report.domains
    if not found.largest:
        return []
    rows = list(found.largest)
    if found.number_of_others:
        rows.append(found.others)
    names = [
        name for name in _DOMAIN_COLUMNS if name != "dropped" or any(row.dropped for row in rows)
    ]
    cells = [[f"{getattr(row, name):,}" for name in names] for row in rows]
    titles = [_DOMAIN_COLUMNS[name] for name in names]
    widths = [max(len(title), *(len(row[i]) for row in cells)) for i, title in enumerate(titles)]
    # One column between the numbers where two would leave too little for the names.
    gap = 2 if page.width - sum(widths) - 2 * len(widths) >= _WIDE_NAME else 1
    widths = [width + gap for width in widths]
    labels = [
        *(row.domain for row in found.largest),
        f"{found.number_of_others:,} other{'s' * (found.number_of_others != 1)}",
    ][: len(rows)]
    room = _name_room(labels, page.width - 2 - sum(widths))
    shares = page.width - (2 + room + sum(widths)) >= _SHARE
    lines = [_row("by domain", room + 2, titles, widths) + f"{'failed':>{_SHARE}}" * shares]
    for label, row, numbers in zip(labels, rows, cells, strict=True):
        line = _row(f"  {page.cut(label, room)}", room + 2, numbers, widths)
        lines.append((line + _failed(row, page, len(line)) * shares).rstrip())
    return lines


def _name_room(names: Sequence[str], left: int) -> int:
    """Return how many columns the names of domains get of what the numbers leave."""
    longest = max(len(name) for name in names)
    if left - min(longest, _WIDE_NAME) >= _SHARE:
        # What is left shows the share of failures, which tells more than the end of a long name.
        return min(longest, _WIDE_NAME)
    return max(_NARROW_NAME, min(longest, left))


def _row(label: str, room: int, cells: Sequence[str], widths: Sequence[int]) -> str:
    numbers = (cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
    return label.ljust(room) + "".join(numbers)


def _failed(row: DomainFigures, page: Page, taken: int) -> str:
    failed = row.hard + row.soft + row.blocked + row.dropped
    share = f"{_percent(failed, row.recipients):>{_SHARE}}  "
    return share + page.bar(failed, row.recipients, taken + len(share))


def _sending(report: CampaignReport, page: Page) -> list[str]:
    curve = report.sending
    if curve.started_at is None or not sum(curve.counts):
        return []
    undated = f"; {curve.undated:,} more without a time" if curve.undated else ""
    each = max(1, -(-len(curve.counts) // (page.width - 2)))
    values = [sum(curve.counts[i : i + each]) for i in range(0, len(curve.counts), each)]
    width = curve.width * each
    if len(values) == 1:
        return [f"handed over: {values[0]:,} within {_span(width)}{undated}"]
    end = curve.started_at + width * len(values)
    return [
        f"handed over, each {_span(width)}: at most {max(values):,}{undated}",
        f"  {sparkline(values, plain=page.plain)}".rstrip(),
        f"  {_moment(curve.started_at)} to {_moment(end)} UTC",
    ]


def _answers(report: CampaignReport, page: Page) -> list[str]:
    rows = [one for one in report.answers.bins if one.all]
    if not rows:
        return []
    most, names = max(row.all for row in rows), ("delivered", "bounced", "complained")
    lines = [f"{'answers after':<{_NAME + 2}}" + "".join(f"{name:>12}" for name in names)]
    for row in rows:
        label = "no time known" if not row.dated else _within(row.within)
        numbers = "".join(f"{getattr(row, name):>12,}" for name in names)
        line = f"  {label:<{_NAME}}{numbers}  "
        lines.append((line + page.bar(row.all, most, len(line))).rstrip())
    totals = "".join(f"{sum(getattr(row, name) for row in rows):>12,}" for name in names)
    return [*lines, f"  {'= answers':<{_NAME}}{totals}"]


def _within(within: timedelta | None) -> str:
    return "later" if within is None else f"up to {_span(within)}"


def _doubts(report: CampaignReport, page: Page) -> list[str]:
    lines: list[str] = []
    if report.unproven:
        lines += page.sentence(
            f"{report.unproven:,} reports name this campaign and prove nothing: nothing followed"
        )
    if report.waiting:
        lines += page.sentence(f"{report.waiting:,} events wait to be counted in")
    return ["not counted", *lines] if lines else []


def _percent(part: int, whole: int, *, digits: int = 1) -> str:
    if not whole:
        return "-"
    share, least = 100 * part / whole, 10**-digits
    if part and share < least / 2:
        return f"<{least} %"
    if part < whole and share > 100 - least / 2:
        return f">{100 - least:.{digits}f} %"
    return f"{share:.{digits}f} %"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


def _span(width: timedelta) -> str:
    return " ".join(_parts(int(width.total_seconds())))


def _parts(seconds: int) -> Iterator[str]:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, length)
        if count:
            yield f"{count} {unit}"


def fit_last(rows: Iterable[Sequence[str]], page: Page) -> list[list[str]]:
    """Return a table's cells, the last of each row cut to what the others leave of the line."""
    table = [list(row) for row in rows]
    if not table:
        return []
    taken = sum(max(len(row[i]) for row in table) + 2 for i in range(len(table[0]) - 1))
    return [[*row[:-1], page.cut(row[-1], max(20, page.width - taken))] for row in table]
