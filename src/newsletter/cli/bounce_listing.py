"""`newsletter bounces list`: what came back and led to nothing, and why."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.options import Json

if TYPE_CHECKING:
    from newsletter.cli.workspace import Workspace


def list_(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 50,
    addresses: Annotated[
        bool, typer.Option("--addresses", help="Show the addresses in full.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List events that were not believed, or are nobody's of yours; the newest first."""
    from newsletter.cli.console import answer, answer_json, answer_table
    from newsletter.feedback.kept_mail import count_kept_mail
    from newsletter.feedback.unbelieved import count_unbelieved, list_unbelieved
    from newsletter.logs import mask_address

    workspace: Workspace = context.obj
    folder = workspace.settings.path(workspace.settings.feedback.kept_mail)
    with workspace.database.read() as connection:
        counts = count_unbelieved(connection)
        found = list_unbelieved(connection, limit=limit)
    kept = count_kept_mail(folder)
    rows = [
        {
            **asdict(one),
            "address": one.address
            if addresses or one.address is None
            else mask_address(one.address),
        }
        for one in found
    ]
    if as_json:
        answer_json({"counts": counts, "kept_mail": kept, "folder": str(folder), "events": rows})
        return
    columns = ("at", "kind", "reason", "address", "proof", "why", "kept")
    if rows:
        answer_table(columns, [[row[column] or None for column in columns] for row in rows])
    told = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    answer(f"led to nothing: {told or 'no event'}; mail kept in {folder}: {kept}")
    if any(one.kept and one.proof in ("named", "address") for one in found):
        answer(
            "looked at one, and it is true? newsletter bounces ingest FILE --believe named|address"
        )
