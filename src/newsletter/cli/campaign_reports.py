"""`newsletter campaigns report`: what happened to a campaign, as text, JSON and CSV."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict, fields
from datetime import datetime
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli.options import CampaignNumber, Json
from newsletter.cli.workspace import Workspace
from newsletter.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from newsletter.delivery.states import DeliveryState
    from newsletter.feedback.report_figures import CampaignReport
    from newsletter.feedback.report_rows import RecipientRow

SHOWN = 20
"""Recipients that the text names, where nobody asked for a state."""
_PAGE = 500
"""Rows of one table: its headings come again after so many."""

_COLUMNS = ("delivery", "address", "state", "reason", "tries", "next try", "answer")
_SELDOM = ("tries", "next try")
"""Columns that are left out where they say nothing."""


def report(
    context: typer.Context,
    campaign: CampaignNumber,
    state: Annotated[
        list[str] | None, typer.Option("--state", help="Only recipients in this state (repeat).")
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option("--csv", help="Write a row for each recipient to a CSV file; - prints it."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Report what happened to a campaign: states, bounces, complaints, domains, times, people.

    The sums of every part are those of the recipients. 'accepted' says that the provider took a
    message; only 'delivered' says that the reader's own server did.
    """
    from newsletter.feedback.campaign_report import gather_report

    workspace: Workspace = context.obj
    states = _states(state) if state else None
    if csv is not None:
        _answer_csv(workspace, campaign, csv, states, as_json=as_json)
        return
    with workspace.database.read() as connection:
        found = gather_report(connection, campaign)
        if as_json:
            _answer_json(connection, found, states or _exceptions())
        else:
            _answer_text(connection, found, states)
    if not as_json:
        _tell_what_next(workspace, found)


def _states(names: list[str]) -> tuple[DeliveryState, ...]:
    from newsletter.delivery.states import DeliveryState

    known = {state.label: state for state in DeliveryState}
    for name in names:
        if name not in known:
            raise UsageError(f"there is no state '{name}'", fix=f"use {', '.join(known)}")
    return tuple(known[name] for name in names)


def _exceptions() -> tuple[DeliveryState, ...]:
    """Return the states an operator wants to see by name: everybody who did not simply get it."""
    from newsletter.delivery.states import DeliveryState

    usual = (DeliveryState.ACCEPTED, DeliveryState.DELIVERED, DeliveryState.PENDING)
    return tuple(state for state in DeliveryState if state not in usual)


def _answer_json(
    connection: Connection, found: CampaignReport, states: tuple[DeliveryState, ...]
) -> None:
    """Print one document whose long part, the recipients, is written as it is read."""
    from newsletter.cli.console import answer
    from newsletter.feedback.report_rows import recipient_rows

    answer(_dump(found.document()).removesuffix("\n}") + ',\n  "deliveries": [')
    before = ""
    for row in recipient_rows(connection, found.ledger.campaign.id, states=states):
        # Each row is written when the next is known: the last one ends without a comma.
        if before:
            answer(f"{before},")
        before = "    " + _dump(asdict(row)).replace("\n", "\n    ")
    if before:
        answer(before)
    answer("  ]\n}")


def _dump(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2, default=_moment)


def _moment(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value)


def _answer_text(
    connection: Connection, found: CampaignReport, states: tuple[DeliveryState, ...] | None
) -> None:
    from newsletter.cli.console import answer
    from newsletter.feedback.report_rows import recipient_rows
    from newsletter.feedback.report_text import report_lines

    number = found.ledger.campaign.id
    for line in report_lines(found, width=_width(), plain=not _shows_unicode()):
        answer(line)
    chosen = states or _exceptions()
    total = found.ledger.states.of(*chosen)
    if not total:
        return
    rows = recipient_rows(connection, number, states=chosen)
    answer("")
    if states is not None:
        while page := list(islice(rows, _PAGE)):
            _answer_rows(page)
        return
    _answer_rows(list(islice(rows, SHOWN)))
    if total > SHOWN:
        answer(
            f"  and {total - SHOWN:,} more: newsletter campaigns report {number} --csv FILE, "
            "or --state bounced"
        )


def _answer_rows(rows: list[RecipientRow]) -> None:
    from newsletter.cli.console import answer_table
    from newsletter.feedback.report_text import Page, fit_last

    whole = [[_cell(value) for value in _values(row)] for row in rows]
    empty = {
        index
        for index, name in enumerate(_COLUMNS)
        if name in _SELDOM and all(row[index] in ("-", "0") for row in whole)
    }
    columns, *table = (
        [cell for index, cell in enumerate(row) if index not in empty] for row in (_COLUMNS, *whole)
    )
    if sys.stdout.isatty():
        columns, *table = fit_last([columns, *table], Page(_width(), not _shows_unicode()))
    answer_table(columns, table)


def _values(row: RecipientRow) -> tuple[object, ...]:
    status, said = row.status or "", row.diagnostic or ""
    told = said if status in said else f"{status} {said}".rstrip()
    return (
        *(row.delivery, row.address, row.state, row.reason, row.tries, row.not_before),
        told or row.answer,
    )


def _cell(value: object) -> str:
    from newsletter.feedback.report_text import one_line

    if value is None:
        return "-"
    return f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else one_line(str(value))


def _width() -> int:
    return shutil.get_terminal_size((80, 24)).columns


def _shows_unicode() -> bool:
    """Return whether what is printed is seen on a terminal that knows more than ASCII."""
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    return sys.stdout.isatty() and encoding == "utf8"


def _tell_what_next(workspace: Workspace, found: CampaignReport) -> None:
    from newsletter.cli.console import say
    from newsletter.delivery.reports import what_next

    provider, now = workspace.settings.delivery.provider.value, workspace.clock.now()
    with workspace.database.read() as connection:
        limits = workspace.limits.describe(connection, provider, now)
    for line in (*limits, *what_next(found.ledger)):
        say(line)


def _answer_csv(
    workspace: Workspace,
    campaign: int,
    path: Path,
    states: tuple[DeliveryState, ...] | None,
    *,
    as_json: bool,
) -> None:
    import csv

    from newsletter.audience.spreadsheets import spreadsheet_safe
    from newsletter.cli.console import answer, answer_json, say
    from newsletter.cli.files import writing_text
    from newsletter.delivery.campaigns import get_campaign
    from newsletter.feedback.report_rows import RecipientRow, recipient_rows

    printed = str(path) == "-"
    if printed and as_json:
        raise UsageError("--csv - and --json exclude each other", fix="name a file for the CSV")
    columns = [field.name for field in fields(RecipientRow)]
    values_of, written = attrgetter(*columns), 0
    with workspace.database.read() as connection:
        # A wrong number must not empty a file.
        get_campaign(connection, campaign)
        with writing_text(path) as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            for row in recipient_rows(connection, campaign, states=states):
                writer.writerow(
                    spreadsheet_safe(value) if isinstance(value, str) else value
                    for value in values_of(row)
                )
                written += 1
    if as_json:
        answer_json({"csv": str(path), "recipients": written})
    else:
        (say if printed else answer)(f"{path}: {written} recipients")
