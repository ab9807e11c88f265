"""`newsletter subscribers`: who is on a list, how they came, and letting them go."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.options import Json, ListName
from newsletter.cli.workspace import Workspace
from newsletter.errors import EXIT_REFUSED, UsageError

if TYPE_CHECKING:
    from newsletter.audience.imports import Refusal

app = typer.Typer(help="Subscribers: import, add, show, export, unsubscribe.")

Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="The subscriber's address.")]
Consent = Annotated[
    str | None, typer.Option("--consent", help="How they agreed; stored as evidence.")
]

REFUSALS_SHOWN = 20


class Format(StrEnum):
    """How subscribers are exported."""

    CSV = "csv"
    JSONL = "jsonl"


@app.command("import")
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
            mapping=_mapping(mapping or []),
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


def _mapping(pairs: list[str]) -> dict[str, str]:
    mapping: dict[str, str] = {}
    for pair in pairs:
        field, sign, column = pair.partition("=")
        if not sign or not field or not column:
            raise UsageError(f"'{pair}' is no mapping", fix="write --map email='E-mail address'")
        mapping[field.strip()] = column.strip()
    return mapping


@app.command()
def add(
    context: typer.Context,
    address: Address,
    list_name: ListName,
    name: Annotated[str | None, typer.Option(help="Name of the subscriber.")] = None,
    consent: Consent = None,
    attribute: Annotated[
        list[str] | None, typer.Option("--attribute", metavar="FIELD=VALUE", help="Repeatable.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Add one subscriber to a list; who left comes back only with a new --consent."""
    from newsletter.audience.address import parse_address
    from newsletter.audience.subscribers import add_subscriber
    from newsletter.cli.console import answer, answer_json

    workspace: Workspace = context.obj
    parsed = parse_address(address)
    mailing_list, keys = workspace.mailing_list(list_name), workspace.keys
    with workspace.database.write() as connection:
        added = add_subscriber(
            connection,
            parsed,
            mailing_list.id,
            keys,
            workspace.clock.now(),
            name=name,
            consent=consent,
            attributes=_mapping(attribute or []),
            actor=workspace.actor,
        )
    if as_json:
        answer_json({"address": parsed.text, "list": list_name, "result": added.value})
    else:
        answer(f"{parsed.text}: {added.value.replace('_', ' ')} ({list_name})")


@app.command()
def show(context: typer.Context, address: Address, as_json: Json = False) -> None:
    """Show the story of one address: lists, consent, suppression, what was sent to it."""
    from newsletter.audience.address import parse_address
    from newsletter.audience.story import story_of
    from newsletter.cli.console import answer, answer_json, answer_table
    from newsletter.delivery.reports import deliveries_of

    workspace: Workspace = context.obj
    parsed = parse_address(address)
    with workspace.database.read() as connection:
        story = story_of(connection, parsed, workspace.keys)
        sent = deliveries_of(connection, story.subscriber) if story.subscriber else []
    if as_json:
        answer_json({**asdict(story), "deliveries": [asdict(row) for row in sent]})
        return
    answer(f"{story.address}  {story.name or ''}".rstrip())
    answer(f"  suppressed: {story.suppressed or 'no'}")
    for membership in story.memberships:
        answer(f"  {membership.list}: {membership.status} since {membership.changed_at:%Y-%m-%d}")
    for consent in story.consents:
        answer(
            f"  {consent.at:%Y-%m-%d %H:%M} {consent.act} ({consent.how}, {consent.list}): "
            f"{consent.wording or 'not stated'}"
        )
    if sent:
        answer_table(
            ("delivery", "digest", "state", "reason", "answer"),
            [(r.delivery, r.digest, r.state, r.reason, r.answer) for r in sent],
        )


@app.command()
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


@app.command()
def unsubscribe(
    context: typer.Context,
    address: Address,
    list_name: Annotated[
        str | None, typer.Option("--list", "-l", help="Only from this list (default: from all).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Unsubscribe an address, at once, also from campaigns that are being sent."""
    from newsletter.audience.address import parse_address
    from newsletter.audience.subscribers import find_subscriber
    from newsletter.audience.subscribers import unsubscribe as leave
    from newsletter.cli.console import answer, answer_json

    workspace: Workspace = context.obj
    parsed = parse_address(address)
    list_id = workspace.mailing_list(list_name).id if list_name else None
    with workspace.database.write() as connection:
        subscriber = find_subscriber(connection, parsed)
        left = leave(connection, subscriber.id, list_id, workspace.clock.now(), how="operator")
    if as_json:
        answer_json({"address": parsed.text, "unsubscribed": left})
    else:
        answer(f"{parsed.text} left " + (f"{left} lists" if left != 1 else "1 list"))
