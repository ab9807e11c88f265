"""`newsletter subscribers import` and `export`: whole lists, from and to files."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.options import Consent, Json, ListName, read_pairs
from newsletter.cli.refusals import RefusalFile, Refusals
from newsletter.cli.workspace import Workspace
from newsletter.errors import EXIT_REFUSED, UsageError

if TYPE_CHECKING:
    from newsletter.audience.imports import ImportReport


class Format(StrEnum):
    """How subscribers and suppressions are exported."""

    CSV = "csv"
    JSONL = "jsonl"


def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV or JSON, see docs/importing.md.")],
    list_name: ListName,
    consent: Consent = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="FIELD=COLUMN", help="Which column is which (repeat)."),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option("--tag", metavar="NAME", help="A tag for everybody in the file (repeat)."),
    ] = None,
    allow_role: Annotated[
        bool, typer.Option("--allow-role", help="Take addresses such as info@ and sales@.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen and write nothing.")
    ] = False,
    refusals_file: RefusalFile = None,
    as_json: Json = False,
) -> None:
    """Import subscribers from a file: all valid rows in one transaction, or nothing at all.

    The file is read and compared first; others can write until the last few seconds. Nobody who
    left or is suppressed comes back, here or where the file is from: a status that is not known
    keeps a person away. Exit code 1 when a row was refused.
    """
    from newsletter.audience.imports import ImportPolicy, import_subscribers
    from newsletter.cli.console import Progress, answer_json, say
    from newsletter.cli.files import writing_text

    workspace: Workspace = context.obj
    with (
        writing_text(refusals_file) as written,
        Progress(f"importing {file.name}") as bar,
    ):
        refusals = Refusals(written if refusals_file else None)
        report = import_subscribers(
            workspace.database,
            file,
            list_name,
            consent=consent,
            actor=workspace.actor,
            keys=workspace.keys,
            clock=workspace.clock,
            mapping=read_pairs(mapping or []),
            tags=tag or (),
            policy=ImportPolicy(allow_role=allow_role),
            dry_run=dry_run,
            keep_cells=refusals_file is not None,
            progress=bar.show,
            on_open=refusals.begin,
            on_refusal=refusals.take,
        )
    for warning in report.warnings:
        say(f"warning: {warning}")
    if as_json:
        answer_json({**asdict(report), **refusals.document()})
    else:
        refusals.say(file)
        _answer(report)
    if refusals.count:
        raise typer.Exit(EXIT_REFUSED)


def _answer(report: ImportReport) -> None:
    from newsletter.cli.console import answer

    if report.dry_run:
        delimiter = "tab" if report.delimiter == "\t" else report.delimiter
        cells = f"cells separated by {delimiter}" if delimiter else "JSON"
        answer(f"{report.file}: {report.encoding}, {cells}")
        for title, meaning in report.columns.items():
            answer(f"  column '{title}' is {meaning or 'left out'}")
        for person in report.sample:
            answer("  " + ", ".join(f"{name} {value}" for name, value in person.items()))
    answer(f"{'would read' if report.dry_run else 'read'} {report.rows} rows of {report.file}")
    for name, count in report.counts.items():
        if count:
            answer(f"  {name.replace('_', ' '):<20}{count:>9}")
    for reason, count in report.kept_away.items():
        answer(f"    {reason:<18}{count:>9}")


def export(
    context: typer.Context,
    list_name: Annotated[str | None, typer.Option("--list", "-l", help="Name of the list.")] = None,
    one: Annotated[
        str | None,
        typer.Option("--one", metavar="ADDRESS", help="All that is known of one person, as JSON."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File (default: stdout).")] = None,
    form: Annotated[Format, typer.Option("--format", help="csv or jsonl.")] = Format.CSV,
) -> None:
    """Export a list, safe to open in a spreadsheet and to import again; or one person's data."""
    from newsletter.audience.exports import export_csv, export_jsonl
    from newsletter.cli.files import writing_text

    workspace: Workspace = context.obj
    if (list_name is None) == (one is None):
        raise UsageError("say what: a list or one person", fix="--list NAME, or --one ADDRESS")
    if list_name is None:
        _export_one(workspace, str(one), out)
        return
    mailing_list = workspace.mailing_list(list_name)
    write = export_csv if form is Format.CSV else export_jsonl
    with writing_text(out) as file, workspace.database.read() as connection:
        write(connection, workspace.keys, mailing_list.id, file)


def _export_one(workspace: Workspace, address: str, out: Path | None) -> None:
    import json

    from newsletter.audience.address import parse_address
    from newsletter.audience.subscribers import find_subscriber
    from newsletter.cli.files import writing_text
    from newsletter.delivery.personal_data import whole_record

    with workspace.database.read() as connection:
        subscriber = find_subscriber(connection, parse_address(address)).id
        record = whole_record(connection, subscriber, workspace.keys)
    with writing_text(out) as file:
        file.write(json.dumps(record, ensure_ascii=False, indent=2) + "\n")
