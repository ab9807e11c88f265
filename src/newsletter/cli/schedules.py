"""`newsletter schedule`: when a list gets its digest, and the days it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli import editions
from newsletter.cli.options import Json, ListName
from newsletter.cli.schedule_skips import skip, unskip
from newsletter.cli.schedule_views import (
    LIST_COLUMNS,
    NEXT_COLUMNS,
    describe,
    list_row,
    next_row,
    show_schedule,
    upcoming_json,
)
from newsletter.cli.workspace import Workspace
from newsletter.errors import UsageError

if TYPE_CHECKING:
    from newsletter.schedule.terms import ScheduleWords

app = typer.Typer(help="Schedules: when a list gets its digest, and the days it does not.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Short name, such as morning.")]
Time = Annotated[str | None, typer.Option(metavar="HH:MM", help="Wall time, such as 07:30.")]
Days = Annotated[
    str | None,
    typer.Option(metavar="DAYS", help="mon,tue,… or daily (usual), weekdays, weekends."),
]
Cron = Annotated[
    str | None,
    typer.Option(metavar="EXPR", help="In place of --time: '30 7 * * 1-5'; once a day at most."),
]
Timezone = Annotated[
    str | None, typer.Option(help="IANA zone (default: the list's, else the newsletter's).")
]
SegmentName = Annotated[
    str | None, typer.Option("--segment", help="Only this segment of the list.")
]
ByReader = Annotated[
    bool | None,
    typer.Option("--by-reader/--at-once", help="At that time of each reader's own zone."),
]
Approval = Annotated[
    bool | None,
    typer.Option("--approval/--no-approval", help="Wait for an operator's yes to each edition."),
]
Lead = Annotated[
    str | None,
    typer.Option(metavar="DURATION", help="Ask so long before it is due (usual: 30m)."),
]
Digest = Annotated[
    str | None,
    typer.Option(metavar="RULE", help="day (usual): the digest of the date; latest: the last."),
]
Grace = Annotated[
    str | None,
    typer.Option(metavar="DURATION", help="Fire so late after a stop, not later (usual: 3h)."),
]
Deadline = Annotated[
    str | None,
    typer.Option(metavar="DURATION", help="Wait so long for a digest or a yes (usual: 3h)."),
]

Listed = Annotated[
    bool | None,
    typer.Option("--listed/--unlisted", help="Whether the archive and feeds name its campaigns."),
]


@app.command()
def add(
    context: typer.Context,
    name: Name,
    list_name: ListName,
    time: Time = None,
    days: Days = None,
    cron: Cron = None,
    timezone: Timezone = None,
    segment: SegmentName = None,
    by_reader: ByReader = None,
    approval: Approval = None,
    lead: Lead = None,
    digest: Digest = None,
    grace: Grace = None,
    deadline: Deadline = None,
    listed: Listed = None,
    as_json: Json = False,
) -> None:
    """Add a schedule for a list; nothing that was due before now is sent."""
    from newsletter.schedule.schedules import add_schedule

    words = _words(
        **{"time": time, "days": days, "cron": cron, "timezone": timezone, "segment": segment},
        **{"by_reader": by_reader, "approval": approval, "digest": digest, "listed": listed},
        **_durations(lead=lead, grace=grace, deadline=deadline),
    )
    workspace: Workspace = context.obj
    with workspace.database.write() as connection:
        add_schedule(
            connection,
            workspace.clock.now(),
            name=name,
            list_name=list_name,
            actor=workspace.actor,
            default_zone=workspace.settings.newsletter.timezone,
            **words,
        )
    show_schedule(workspace, name, as_json=as_json)


@app.command()
def update(
    context: typer.Context,
    name: Name,
    time: Time = None,
    days: Days = None,
    cron: Cron = None,
    timezone: Timezone = None,
    segment: SegmentName = None,
    whole_list: Annotated[
        bool, typer.Option("--whole-list", help="For everybody, no longer for a segment.")
    ] = False,
    by_reader: ByReader = None,
    approval: Approval = None,
    lead: Lead = None,
    digest: Digest = None,
    grace: Grace = None,
    deadline: Deadline = None,
    listed: Listed = None,
    as_json: Json = False,
) -> None:
    """Change what is given of a schedule, and leave the rest; open editions follow it."""
    from newsletter.schedule.schedules import update_schedule

    words = _words(
        **{"time": time, "days": days, "cron": cron, "timezone": timezone, "segment": segment},
        **{"by_reader": by_reader, "approval": approval, "digest": digest, "listed": listed},
        **_durations(lead=lead, grace=grace, deadline=deadline),
    )
    if whole_list:
        if segment is not None:
            raise UsageError("--whole-list and --segment exclude each other", fix="give one")
        words["segment"] = None
    if not words:
        raise UsageError(
            "nothing to change was given", fix=f"newsletter schedule update {name} --time 07:30"
        )
    workspace: Workspace = context.obj
    with workspace.database.write() as connection:
        update_schedule(connection, workspace.clock.now(), name, actor=workspace.actor, **words)
    show_schedule(workspace, name, as_json=as_json)


@app.command("list")
def list_(context: typer.Context, as_json: Json = False) -> None:
    """List the schedules with what each has next."""
    from newsletter.cli.console import answer_json, answer_table, say
    from newsletter.schedule.schedules import list_schedules

    workspace: Workspace = context.obj
    with workspace.database.read() as connection:
        rows = [
            describe(connection, schedule, workspace.clock.now())
            for schedule in list_schedules(connection)
        ]
    if as_json:
        answer_json(rows)
    elif rows:
        answer_table(LIST_COLUMNS, [list_row(row) for row in rows])
    else:
        say("no schedules yet: newsletter schedule add NAME --list NAME --time 07:30")


@app.command()
def show(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """Show a schedule: its terms, the days it skips, what it has next."""
    show_schedule(context.obj, name, as_json=as_json)


@app.command("next")
def next_(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="One schedule (default: all together).")
    ] = None,
    number: Annotated[
        int, typer.Option("--number", "-n", help="Show so many dates.", min=1, max=1000)
    ] = 10,
    as_json: Json = False,
) -> None:
    """Show the next dates, in the zone and in UTC, with skips and what daylight saving does."""
    from newsletter.cli.console import answer_json, answer_table, say
    from newsletter.schedule.schedules import get_schedule, list_schedules
    from newsletter.schedule.upcoming import upcoming, why_unplannable

    workspace: Workspace = context.obj
    with workspace.database.read() as connection:
        chosen = [get_schedule(connection, name)] if name else list_schedules(connection)
        found = upcoming(connection, chosen, workspace.clock.now(), number)
    for schedule in chosen:
        if schedule.paused:
            say(f"'{schedule.name}' is paused: newsletter schedule resume {schedule.name}")
        if problem := why_unplannable(schedule):
            say(f"error: '{schedule.name}' has no dates: {problem}")
            say(f"  fix: newsletter schedule update {schedule.name} --timezone ZONE")
    if not chosen:
        say("no schedules yet: newsletter schedule add NAME --list NAME --time 07:30")
    if as_json:
        answer_json([upcoming_json(item) for item in found])
    elif found:
        answer_table(NEXT_COLUMNS, [next_row(item) for item in found])


@app.command()
def remove(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """Forget a schedule that never had an edition; others are paused."""
    from newsletter.cli.console import answer, answer_json
    from newsletter.schedule.schedules import remove_schedule

    workspace: Workspace = context.obj
    with workspace.database.write() as connection:
        gone = remove_schedule(connection, workspace.clock.now(), name, actor=workspace.actor)
    if as_json:
        answer_json({"schedule": gone.name, "removed": True})
    else:
        answer(f"schedule '{gone.name}' is removed")


@app.command()
def pause(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """Let a schedule rest: nothing more is sent until it is resumed."""
    from newsletter.schedule.schedules import pause_schedule

    workspace: Workspace = context.obj
    with workspace.database.write() as connection:
        pause_schedule(connection, workspace.clock.now(), name, actor=workspace.actor)
    show_schedule(workspace, name, as_json=as_json)


@app.command()
def resume(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """Let a paused schedule go on from now; what was due meanwhile is not made up for."""
    from newsletter.schedule.schedules import resume_schedule

    workspace: Workspace = context.obj
    with workspace.database.write() as connection:
        resume_schedule(connection, workspace.clock.now(), name, actor=workspace.actor)
    show_schedule(workspace, name, as_json=as_json)


app.command()(skip)
app.command()(unskip)


def _words(**given: Any) -> ScheduleWords:
    words: Any = {key: value for key, value in given.items() if value is not None}
    checked: ScheduleWords = words
    return checked


def _durations(**given: str | None) -> dict[str, Any]:
    from pydantic import TypeAdapter, ValidationError

    from newsletter.settings.parts import Duration

    found: dict[str, Any] = {}
    for word, text in given.items():
        if text is None:
            continue
        try:
            found[word] = TypeAdapter(Duration).validate_python(text)
        except ValidationError:
            raise UsageError(
                f"--{word}: '{text}' is no duration", fix="write 90s, 30m, 3h or 1d"
            ) from None
    return found


for _command in (editions.editions, editions.approve, editions.cancel, editions.run_now):
    app.command()(_command)
