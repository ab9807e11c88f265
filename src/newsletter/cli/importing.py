"""`newsletter subscribers import` and `export`: whole lists, from and to files."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.options import Consent, Json, ListName, read_pairs
from newsletter.cli.workspace import Workspace
from newsletter.errors import EXIT_REFUSED

if TYPE_CHECKING:
    from newsletter.audience.imports import Refusal

REFUSALS_SHOWN = 20


class Format(StrEnum):
    """How subscribers are exported."""

    CSV = "csv"
    JSONL = "jsonl"


def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV file, see subscribers/README.md.")],
    list_name: ListName,
    consent: Consent = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="FIELD=COLUMN", help="Which column is which (repeat)."),
    ] = None,
    allow_role: Annotated[
        bool, typer.Option("--allow-role", help="Take addresses such as info@ and sales@.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen and write nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Import subscribers from a CSV file: all valid rows, or nothing when it is interrupted.

    Nobody who left or is suppressed comes back. Exit code 1 when a row was refused.
    """
    from newsletter.audience.imports import ImportPolicy, import_subscribers
    from newsletter.cli.console import Progress, answer, answer_json, say

    workspace: Workspace = context.obj
    refusals: list[Refusal] = []
    with Progress(f"importing {file.name}") as bar:
        report = import_subscribers(
            workspace.database,
            file,
            list_name,
            consent=consent,
            actor=workspace.actor,
            keys=workspace.keys,
            clock=workspace.clock,
            mapping=read_pairs(mapping or []),
            policy=ImportPolicy(allow_role=allow_role),
            dry_run=dry_run,
            progress=bar.show,
            on_refusal=refusals.append,
        )
    for warning in report.warnings:
        say(f"warning: {warning}")
    if as_json:
        answer_json({**asdict(report), "refusals": [asdict(refusal) for refusal in refusals]})
    else:
        for refusal in refusals[:REFUSALS_SHOWN]:
            say(f"{file}:row {refusal.row}: {refusal.problem}")
        if len(refusals) > REFUSALS_SHOWN:
            say(f"… and {len(refusals) - REFUSALS_SHOWN} more; --json lists them all")
        answer(f"{'would read' if dry_run else 'read'} {report.rows} rows of {file.name}")
        for name, count in report.counts.items():
            if count:
                answer(f"  {name.replace('_', ' '):<20}{count:>9}")
    if refusals:
        raise typer.Exit(EXIT_REFUSED)


def export(
    context: typer.Context,
    list_name: ListName,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File (default: stdout).")] = None,
    form: Annotated[Format, typer.Option("--format", help="csv or jsonl.")] = Format.CSV,
) -> None:
    """Export a list, safe to open in a spreadsheet."""
    from newsletter.audience.exports import export_csv, export_jsonl
    from newsletter.cli.files import writing_text

    workspace: Workspace = context.obj
    mailing_list = workspace.mailing_list(list_name)
    write = export_csv if form is Format.CSV else export_jsonl
    with writing_text(out) as file, workspace.database.read() as connection:
        write(connection, mailing_list.id, file)
