"""`newsletter db`: the schema and backups of the database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from newsletter.cli.options import Json
from newsletter.cli.workspace import Workspace

app = typer.Typer(help="The database: upgrade, backup.")


@app.command()
def upgrade(context: typer.Context, as_json: Json = False) -> None:
    """Bring the database to this program's schema, after a backup of an embedded one."""
    from newsletter.cli.console import answer, answer_json
    from newsletter.storage.database import open_database
    from newsletter.storage.schema import HEAD, current_revision
    from newsletter.storage.schema import upgrade as upgrade_schema

    workspace: Workspace = context.obj
    settings = workspace.settings
    database = open_database(settings.database.url, root=settings.root)
    try:
        before = current_revision(database)
        saved = upgrade_schema(database, workspace.clock)
    finally:
        database.close()
    if as_json:
        answer_json({"from": before, "to": HEAD, "backup": saved})
    elif before == HEAD:
        answer(f"the database is at schema {HEAD} already")
    else:
        answer(f"schema {before or 'none'} → {HEAD}" + (f", backup: {saved}" if saved else ""))


@app.command()
def backup(
    context: typer.Context,
    to: Annotated[Path | None, typer.Option("--to", help="File of the copy.")] = None,
    as_json: Json = False,
) -> None:
    """Copy the live embedded database, whole and consistent; safe while a campaign is sent.

    The key file is not in it: keep a copy of that elsewhere, or suppressions cannot be read.
    """
    from newsletter.cli.console import answer, answer_json
    from newsletter.storage.schema import backup as copy_database

    workspace: Workspace = context.obj
    path = copy_database(workspace.database, workspace.clock, to)
    if as_json:
        answer_json({"backup": path, "bytes": path.stat().st_size})
    else:
        answer(f"{path}  {path.stat().st_size:,} bytes")
