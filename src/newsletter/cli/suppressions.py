"""`newsletter suppressions`: addresses that must not be mailed, whatever else says so."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from newsletter.cli.options import Json
from newsletter.cli.workspace import Workspace

app = typer.Typer(help="Suppressions: list, add, lift, import, export.")

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
    context: typer.Context, address: Address, note: Note = None, as_json: Json = False
) -> None:
    """Lift a suppression; refused for complaints and erasures, which need a new double opt-in."""
    from newsletter.audience.address import parse_address
    from newsletter.audience.suppressions import lift_suppression
    from newsletter.cli.console import answer, answer_json

    workspace: Workspace = context.obj
    parsed, keys = parse_address(address), workspace.keys
    with workspace.database.write() as connection:
        lift_suppression(
            connection,
            keys,
            parsed,
            workspace.clock.now(),
            actor=workspace.actor,
            note=note,
        )
    if as_json:
        answer_json({"address": parsed.text, "suppressed": False})
    else:
        answer(f"{parsed.text} may be mailed again")


@app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV: email, optionally reason and date.")],
    as_json: Json = False,
) -> None:
    """Suppress every address of a CSV file, all or nothing."""
    from newsletter.audience.suppressions import import_suppressions
    from newsletter.cli.console import answer, answer_json, say

    workspace: Workspace = context.obj
    report = import_suppressions(
        workspace.database, workspace.keys, file, workspace.clock, actor=workspace.actor
    )
    if as_json:
        answer_json(asdict(report))
        return
    answer(
        f"{report.added} suppressed, {report.known} known before, {len(report.refusals)} refused"
    )
    for refusal in report.refusals:
        say(f"{file}:row {refusal.row}: {refusal.problem}")


@app.command()
def export(
    context: typer.Context,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File (default: stdout).")] = None,
) -> None:
    """Export suppressions as CSV: hash, reason, date, note."""
    from newsletter.audience.suppressions import export_suppressions
    from newsletter.cli.files import writing_text

    workspace: Workspace = context.obj
    with writing_text(out) as file, workspace.database.read() as connection:
        export_suppressions(connection, file)
