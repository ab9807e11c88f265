"""`newsletter suppressions`: addresses that must not be mailed, whatever else says so."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.importing import Format
from newsletter.cli.options import Json, read_pairs
from newsletter.cli.reconciling import lift_at_provider, reconcile
from newsletter.cli.refusals import RefusalFile, Refusals
from newsletter.cli.workspace import Workspace
from newsletter.errors import EXIT_REFUSED

if TYPE_CHECKING:
    from newsletter.audience.address import Address as PersonAddress
    from newsletter.audience.suppressions import SuppressionReason

app = typer.Typer(help="Suppressions: list, add, lift, import, export, reconcile.")

Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="The address.")]
Note = Annotated[str | None, typer.Option(help="Why; kept with it.")]


@app.command("list")
def list_(
    context: typer.Context,
    limit: Annotated[int, typer.Option(help="How many, the newest first.", min=1)] = 100,
    as_json: Json = False,
) -> None:
    """List suppressions: hashes, reasons and dates; the addresses are not stored."""
    from newsletter.audience.suppressions import count_suppressions, list_suppressions
    from newsletter.cli.console import answer, answer_json, answer_table

    workspace: Workspace = context.obj
    with workspace.database.read() as connection:
        counts = count_suppressions(connection)
        rows = list_suppressions(connection, limit=limit)
    if as_json:
        answer_json({"counts": counts, "suppressions": [asdict(row) for row in rows]})
        return
    answer(
        ", ".join(f"{count} {reason}" for reason, count in counts.items()) or "nobody is suppressed"
    )
    if rows:
        answer_table(
            ("key", "reason", "since", "note"),
            [(row.key[:16], row.reason, row.at, row.note) for row in rows],
        )


@app.command()
def add(context: typer.Context, address: Address, note: Note = None, as_json: Json = False) -> None:
    """Suppress an address on all lists, at once, also in campaigns that are being sent."""
    from newsletter.audience.address import parse_address
    from newsletter.audience.suppressions import SuppressionReason, add_suppression
    from newsletter.cli.console import answer, answer_json

    workspace: Workspace = context.obj
    parsed, keys = parse_address(address), workspace.keys
    with workspace.database.write() as connection:
        new = add_suppression(
            connection,
            keys,
            parsed,
            SuppressionReason.MANUAL,
            workspace.clock.now(),
            actor=workspace.actor,
            note=note,
        )
    if as_json:
        answer_json({"address": parsed.text, "suppressed": True, "new": new})
    else:
        answer(f"{parsed.text} is suppressed" if new else f"{parsed.text} was suppressed already")


@app.command()
def lift(
    context: typer.Context,
    address: Address,
    note: Note = None,
    ask: Annotated[
        bool,
        typer.Option("--ask", help="Write a letter; confirming it lifts the suppression. --list."),
    ] = False,
    list_name: Annotated[
        str | None, typer.Option("--list", "-l", help="With --ask: the list they join by it.")
    ] = None,
    at_provider: Annotated[
        bool,
        typer.Option(
            "--at-provider", help="Also off SendGrid's bounces, blocks and invalid addresses."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Lift a suppression; one for a complaint or an erasure only by asking the person (--ask)."""
    from newsletter.audience.address import parse_address
    from newsletter.cli.console import answer, answer_json, say
    from newsletter.errors import UsageError
    from newsletter.settings import ProviderName

    workspace: Workspace = context.obj
    parsed = parse_address(address)
    if ask != (list_name is not None):
        raise UsageError("--ask and --list belong together", fix="add --ask --list NAME")
    if ask and at_provider:
        raise UsageError(
            "--ask and --at-provider do not go together", fix="only an answer lifts what --ask asks"
        )
    if list_name is not None:
        letter = _ask(workspace, parsed, list_name, note)
        if as_json:
            answer_json({"address": parsed.text, "suppressed": True, "letter": letter})
        else:
            answer(f"{parsed.text} gets a letter ({letter}); confirming it lifts the suppression")
        return
    held_by = lift_at_provider(workspace, parsed) if at_provider else None
    was_held = _lift_here(workspace, parsed, note, only_here=not at_provider)
    if held_by is None and workspace.settings.delivery.provider is ProviderName.SENDGRID:
        say("SendGrid may hold it back still; to take it off its lists too:")
        say(f"    newsletter suppressions lift {shlex.quote(parsed.text)} --at-provider")
    if as_json:
        told = {} if held_by is None else {"at_provider": held_by}
        answer_json({"address": parsed.text, "suppressed": False, **told})
        return
    if held_by is not None:
        answer(
            f"SendGrid held it: {', '.join(held_by)}; not any more"
            if held_by
            else "SendGrid did not hold it among its bounces, blocks and invalid addresses"
        )
    answer(
        f"{parsed.text} may be mailed again" if was_held else f"{parsed.text} was not suppressed"
    )


def _lift_here(
    workspace: Workspace, address: PersonAddress, note: str | None, *, only_here: bool
) -> bool:
    """Lift our own suppression; returns False where there is none and that is no error."""
    from newsletter.audience.suppressions import lift_suppression, suppression_of

    with workspace.database.write() as connection:
        if not only_here and suppression_of(connection, workspace.keys, address) is None:
            return False
        lift_suppression(
            connection,
            workspace.keys,
            address,
            workspace.clock.now(),
            actor=workspace.actor,
            note=note,
        )
    return True


def _ask(workspace: Workspace, address: PersonAddress, list_name: str, note: str | None) -> str:
    """Write the letter and send it where nobody else does; returns what became of it."""
    from newsletter.audience.consent import Origin
    from newsletter.audience.joining import JoinRequest, invite_back
    from newsletter.audience.suppressions import suppression_of
    from newsletter.cli.letters import build_carrier
    from newsletter.errors import AudienceError
    from newsletter.storage.audit import record_audit

    mailing_list, keys = workspace.mailing_list(list_name), workspace.keys
    with workspace.database.write() as connection:
        now = workspace.clock.now()
        reason = suppression_of(connection, keys, address)
        if reason is None:
            raise AudienceError(
                "this address is not suppressed",
                fix="newsletter subscribers add, or let them use the form",
            )
        request = JoinRequest(address, mailing_list.id, Origin("operator", wording=note))
        invite_back(connection, request, keys, now, lifts=True)
        record_audit(
            connection,
            now,
            actor=workspace.actor,
            action="suppression.ask",
            subject=f"suppression {keys.hash_address(address.key)[:16]}",
            detail={"reason": reason, "list": list_name, "note": note},
        )
    done = build_carrier(workspace).deliver_due()
    if done.problem is not None:
        raise done.problem
    return "accepted" if done.counts.get("accepted") else "waits"


@app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(help="CSV or JSON, as providers write them: see docs/importing.md."),
    ],
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="FIELD=COLUMN", help="Which column is which (repeat)."),
    ] = None,
    reason: Annotated[
        str | None,
        typer.Option(metavar="REASON", help="For rows that name none, or one that passes."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen and write nothing.")
    ] = False,
    refusals_file: RefusalFile = None,
    as_json: Json = False,
) -> None:
    """Suppress every address of a file, in one transaction: all valid rows, or nothing.

    Reasons are understood in the words of other providers; one that nobody knows suppresses too.
    Soft bounces and blocks pass and are left out. Exit code 1 when a row was refused or left out.
    """
    from newsletter.audience.suppression_files import import_suppressions
    from newsletter.cli.console import Progress, answer, answer_json, say
    from newsletter.cli.files import writing_text
    from newsletter.delivery.suppression_replies import reply_reader

    workspace: Workspace = context.obj
    with (
        writing_text(refusals_file) as written,
        Progress(f"importing {file.name}") as bar,
    ):
        refusals, erasures = Refusals(written if refusals_file else None), list[bool]()
        report = import_suppressions(
            workspace.database,
            workspace.keys,
            file,
            workspace.clock,
            actor=workspace.actor,
            reply=reply_reader(workspace.bounce_table),
            default=_reason_named(reason),
            mapping=read_pairs(mapping or []),
            dry_run=dry_run,
            progress=bar.show,
            on_open=refusals.begin,
            on_refusal=refusals.take,
            on_erased=lambda _connection: erasures.append(True),
        )
    if erasures:
        _erase_again(workspace)
    for warning in report.warnings:
        say(f"warning: {warning}")
    if as_json:
        answer_json({**asdict(report), **refusals.document()})
    else:
        refusals.say(file)
        if dry_run:
            for title, meaning in report.columns.items():
                answer(f"  column '{title}' is {meaning or 'left out'}")
        answer(
            f"{report.added} {'would be ' if dry_run else ''}suppressed, {report.known} known "
            f"before, {report.duplicate} twice in the file, {report.refused} refused"
        )
        for name, count in report.reasons.items():
            answer(f"  {name:<20}{count:>9}")
        for name, count in report.left_out.items():
            answer(f"  {f'left out: {name}':<20}{count:>9}")
    if refusals.count:
        raise typer.Exit(EXIT_REFUSED)


def _reason_named(name: str | None) -> SuppressionReason | None:
    from newsletter.audience.suppressions import SuppressionReason
    from newsletter.errors import UsageError

    if name is None:
        return None
    try:
        return SuppressionReason(name.lower().replace("-", "_"))
    except ValueError:
        raise UsageError(
            f"there is no reason '{name}'",
            fix=f"use one of: {', '.join(reason.value for reason in SuppressionReason)}",
        ) from None


def _erase_again(workspace: Workspace) -> None:
    """Forget who is a subscriber here and was erased by the file's word (C15)."""
    from newsletter.audience.erasing import erase_again
    from newsletter.cli.console import say

    now, actor = workspace.clock.now(), workspace.actor
    if count := erase_again(workspace.database, workspace.keys, now, actor=actor):
        say(f"{count} people of the file were erased here too; then: newsletter db compact")


@app.command()
def export(
    context: typer.Context,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File (default: stdout).")] = None,
    form: Annotated[Format, typer.Option("--format", help="csv or jsonl.")] = Format.CSV,
) -> None:
    """Export suppressions: hash, reason, date, note; the CSV imports again."""
    from newsletter.audience.suppression_files import export_csv, export_jsonl
    from newsletter.cli.files import writing_text

    workspace: Workspace = context.obj
    write = export_csv if form is Format.CSV else export_jsonl
    with writing_text(out) as file, workspace.database.read() as connection:
        write(connection, file)


app.command()(reconcile)
