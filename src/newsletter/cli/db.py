"""`newsletter db`: the schema, backups, and copies of the database."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli.options import Json, Yes, confirm
from newsletter.cli.workspace import Workspace
from newsletter.errors import ConfigurationError

if TYPE_CHECKING:
    from newsletter.delivery.holding import HeldReport
    from newsletter.delivery.restoring import Restored

app = typer.Typer(help="The database: upgrade, backup, restore, hold, compact.")


@app.command()
def upgrade(context: typer.Context, as_json: Json = False) -> None:
    """Bring the database to this program's schema, after a backup of an embedded one."""
    from importlib.util import find_spec

    from newsletter.cli.console import answer, answer_json, say
    from newsletter.delivery.work_queue import lay_queue
    from newsletter.storage.database import open_database
    from newsletter.storage.schema import HEAD, current_revision
    from newsletter.storage.schema import upgrade as upgrade_schema

    workspace: Workspace = context.obj
    settings = workspace.settings
    database = open_database(settings.database.url, root=settings.root)
    try:
        before = current_revision(database)
        saved = upgrade_schema(database, workspace.clock)
        if (
            not database.embedded
            and find_spec("procrastinate") is not None
            and lay_queue(database, replace=True)
        ):
            say("the queue of workers was laid out")
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
    from newsletter.storage.backups import backup as copy_database

    workspace: Workspace = context.obj
    path = copy_database(workspace.database, workspace.clock, to)
    if as_json:
        answer_json({"backup": path, "bytes": path.stat().st_size})
    else:
        answer(f"{path}  {path.stat().st_size:,} bytes")


@app.command()
def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What 'db backup' wrote.")],
    yes: Yes = False,
    other_installation: Annotated[
        bool,
        typer.Option("--other-installation", help="Also when it is another installation's."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Put a backup in the place of the embedded database; nothing of it is sent by itself.

    What was unfinished when the backup was made is held until 'campaigns resume' or 'cancel'. The
    replaced database is kept beside it, and what only that one knew is told.
    """
    from newsletter.cli.console import answer, answer_json
    from newsletter.delivery.restoring import restore as restore_database
    from newsletter.storage.database import open_database

    workspace: Workspace = context.obj
    settings = workspace.settings
    database = open_database(settings.database.url, root=settings.root)
    confirm(f"Replace the database by {file} and hold its unfinished campaigns?", yes=yes)
    done = restore_database(
        database,
        file,
        workspace.clock,
        actor=workspace.actor,
        other_installation=other_installation,
    )
    erased = _erase_again(workspace)
    if as_json:
        answer_json({**_restored_json(done), "erased_again": erased})
    else:
        _tell_restored(done)
        if erased:
            answer(f"{erased} people who were erased after the backup was made are erased here too")


def _erase_again(workspace: Workspace) -> int:
    """Forget again who was erased since the backup was made (C15)."""
    from newsletter.audience.erasing import erase_again
    from newsletter.cli.console import say
    from newsletter.storage.scrubbing import scrub

    try:
        keys = workspace.keys
    except ConfigurationError as error:
        say(f"warning: {error}")
        say("  people erased since the backup cannot be told without it; once it is back:")
        say("  newsletter subscribers erase --again")
        return 0
    count = erase_again(workspace.database, keys, workspace.clock.now(), actor=workspace.actor)
    if count:
        scrub(workspace.database)
    return count


@app.command()
def compact(context: typer.Context, as_json: Json = False) -> None:
    """Write the embedded database anew: smaller, and without traces of erased people.

    Other processes wait meanwhile: some seconds for a million subscribers.
    """
    from newsletter.cli.console import answer, answer_json
    from newsletter.errors import TryAgainLater
    from newsletter.storage.scrubbing import scrub

    workspace: Workspace = context.obj
    database = workspace.database
    before = database.path.stat().st_size if database.path else 0
    if not scrub(database):
        raise TryAgainLater(
            "another process is reading the database: its log could not be emptied",
            fix="run it again in a moment",
        )
    after = database.path.stat().st_size if database.path else 0
    if as_json:
        answer_json({"bytes_before": before, "bytes_after": after})
    elif database.embedded:
        answer(f"{before:,} bytes → {after:,} bytes")
    else:
        answer("a server looks after its own files: see VACUUM in its manual")


@app.command()
def hold(context: typer.Context, yes: Yes = False, as_json: Json = False) -> None:
    """Say that this database is a copy: every unfinished campaign waits for your word.

    For what no file beside the database can tell: a server's database after pg_restore, a machine
    or a volume that was set back to an earlier snapshot.
    """
    from newsletter.cli.console import answer, answer_json
    from newsletter.delivery.holding import announce_copy

    workspace: Workspace = context.obj
    confirm("Hold every unfinished campaign until it is resumed by hand?", yes=yes)
    report = announce_copy(workspace.database, workspace.clock.now(), workspace.actor)
    if as_json:
        answer_json(_report_json(report))
        return
    for line in report.lines():
        answer(line)


def _report_json(report: HeldReport) -> dict[str, Any]:
    return {
        "epoch": report.epoch,
        "held": [asdict(held) for held in report.held],
        "settled_unknown": report.settled,
    }


def _restored_json(done: Restored) -> dict[str, Any]:
    lost = done.lost
    return {
        "restored": done.file,
        "database": done.path,
        "made_at": done.made_at,
        "upgraded_from": done.upgraded_from,
        "replaced": done.kept,
        **_report_json(done.report),
        "had_it_since": None if lost is None else [list(pair) for pair in lost.had_it],
        "not_in_backup": None
        if lost is None
        else [asdict(campaign) for campaign in lost.campaigns],
        "left_since": None if lost is None else lost.left,
    }


def _tell_restored(done: Restored) -> None:
    from newsletter.cli.console import answer
    from newsletter.delivery.holding import advice

    answer(
        f"{done.file} is the database now, as it was at {done.made_at:%Y-%m-%d %H:%M} UTC; "
        f"epoch {done.report.epoch}"
        + (f", upgraded from schema {done.upgraded_from}" if done.upgraded_from else "")
    )
    if done.kept is not None:
        answer(f"the replaced database is kept as {done.kept}")
    since = dict(done.lost.had_it) if done.lost is not None else {}
    for held in done.report.held:
        had = since.get(held.campaign)
        answer(f"{held}" + (f"; {had} had it after the backup was made" if had else ""))
    if done.lost is None:
        answer("what was sent after the backup was made is not known here: look before you send")
    else:
        for campaign in done.lost.campaigns:
            answer(str(campaign))
        if done.lost.left:
            answer(
                f"{done.lost.left} people left or were suppressed after the backup was made; "
                "so they are here too"
            )
    for line in advice(done.report.held):
        answer(line)
