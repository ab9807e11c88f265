"""The commands `newsletter schedule skip` and `unskip`: dates given by hand or in a file (H8)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.options import Json
from newsletter.cli.schedule_views import show_schedule
from newsletter.cli.workspace import Workspace
from newsletter.errors import Place, UsageError

if TYPE_CHECKING:
    from datetime import date

Name = Annotated[str, typer.Argument(metavar="NAME", help="Short name, such as morning.")]
Dates = Annotated[
    list[str] | None, typer.Argument(metavar="DATE…", help="As 2026-12-25, in the schedule's zone.")
]


def skip(
    context: typer.Context,
    name: Name,
    dates: Dates = None,
    note: Annotated[str | None, typer.Option(help="Why, such as 'Christmas'.")] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="A file of dates, one a line, a note behind each; past ones pass by."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Leave out dates, such as holidays; all of them or, if one is wrong, none."""
    from newsletter.cli.console import say
    from newsletter.schedule.recurrence import recurrence_of
    from newsletter.schedule.schedules import get_schedule
    from newsletter.schedule.skips import skip_day, today

    wanted = dict.fromkeys(map(_date, dates or []), note)
    listed = _dates_of(file, note) if file is not None else {}
    if not wanted and not listed:
        raise UsageError("no date was given", fix=f"newsletter schedule skip {name} 2026-12-25")
    workspace: Workspace = context.obj
    now = workspace.clock.now()
    with workspace.database.write() as connection:
        found = get_schedule(connection, name)
        wanted |= {day: said for day, said in listed.items() if day >= today(found, now)}
        for day, said in sorted(wanted.items()):
            skip_day(connection, now, name, day, note=said, actor=workspace.actor)
    recurrence = recurrence_of(found)
    for day in sorted(wanted):
        if recurrence.on(day) is None:
            say(f"'{name}' has no edition on {day:%A} {day} anyway")
    show_schedule(workspace, name, as_json=as_json)


def unskip(context: typer.Context, name: Name, dates: Dates = None, as_json: Json = False) -> None:
    """Have dates again that were to be left out."""
    from newsletter.schedule.skips import unskip_day

    wanted = sorted({_date(text) for text in dates or []})
    if not wanted:
        raise UsageError("no date was given", fix=f"newsletter schedule show {name}")
    workspace: Workspace = context.obj
    with workspace.database.write() as connection:
        for day in wanted:
            unskip_day(connection, workspace.clock.now(), name, day, actor=workspace.actor)
    show_schedule(workspace, name, as_json=as_json)


def _date(text: str) -> date:
    from datetime import date

    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(f"'{text}' is no date", fix="write it as 2026-12-25") from None


def _dates_of(path: Path, note: str | None) -> dict[date, str | None]:
    """Read one date a line, with a note behind it; empty lines and those with # are passed over."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"cannot be read: {reason}", where=Place(path)) from None
    found: dict[date, str | None] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split(maxsplit=1)
        if not words:
            continue
        try:
            day = _date(words[0])
        except UsageError as error:
            raise UsageError(error.problem, where=Place(path, line=number), fix=error.fix) from None
        found[day] = words[1].strip() if len(words) > 1 else note
    return found
