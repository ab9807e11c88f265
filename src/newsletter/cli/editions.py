"""`newsletter schedule editions`, `approve`, `cancel`, `run-now`: what came of a schedule's days,
and an operator's word about one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli.options import Json, Yes, confirm
from newsletter.cli.workspace import Workspace
from newsletter.errors import TryAgainLater, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date

    from newsletter.schedule.keeping import EditionKeeper
    from newsletter.schedule.model import Edition, EditionStatus

Schedule = Annotated[str, typer.Argument(metavar="SCHEDULE", help="Name of the schedule.")]
Date = Annotated[
    str | None, typer.Argument(metavar="[DATE]", help="As 2026-11-24, in the schedule's zone.")
]


def editions(
    context: typer.Context,
    schedule: Annotated[
        str | None, typer.Argument(metavar="[SCHEDULE]", help="One schedule (default: all).")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many, the newest first.", min=1)] = 30,
    as_json: Json = False,
) -> None:
    """List editions, the newest day first: when they were due, what they wait for or became."""
    from newsletter.cli.console import answer_json, answer_table, say
    from newsletter.schedule.editions import list_editions
    from newsletter.schedule.schedules import get_schedule

    workspace: Workspace = context.obj
    with workspace.database.read() as connection:
        chosen = get_schedule(connection, schedule).id if schedule else None
        found = list_editions(connection, schedule_id=chosen, limit=limit)
    if as_json:
        answer_json([edition_json(edition) for edition in found])
    elif found:
        answer_table(
            ("schedule", "day", "due (UTC)", "status", "campaign", "digest", "reason"),
            [
                (
                    edition.schedule,
                    edition.day,
                    edition.due_at,
                    edition.status,
                    edition.campaign,
                    edition.digest_slug,
                    edition.reason,
                )
                for edition in found
            ],
        )
    else:
        say("no editions yet; 'newsletter serve' makes them when their time comes")


def approve(
    context: typer.Context, schedule: Schedule, date: Date = None, as_json: Json = False
) -> None:
    """Say yes to the edition that waits for it; for the digest as it was put before you."""
    from newsletter.schedule.model import EditionStatus

    waiting = (EditionStatus.HELD,)
    _decide(context.obj, schedule, date, waiting, yes=True, as_json=as_json)


def cancel(
    context: typer.Context, schedule: Schedule, date: Date = None, as_json: Json = False
) -> None:
    """Say no to an edition: it is not sent, unless by 'run-now'."""
    from newsletter.schedule.model import OPEN

    _decide(context.obj, schedule, date, OPEN, yes=False, as_json=as_json)


def run_now(
    context: typer.Context,
    schedule: Schedule,
    date: Date = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Send today's edition, or that of a date, at once to everybody, whatever became of it.

    One that has its campaign is not sent again. Goes on in the foreground, as 'send' does.
    """
    from newsletter.cli.console import say
    from newsletter.cli.running import run_campaign
    from newsletter.schedule.schedules import get_schedule
    from newsletter.schedule.skips import today

    workspace: Workspace = context.obj
    with workspace.database.read() as connection:
        found = get_schedule(connection, schedule)
    day = _date(date) or today(found, workspace.clock.now())
    # Built before anything is frozen: a missing key is told now, not in the middle.
    _ = workspace.keys, workspace.provider
    part = f"segment '{found.segment}' of " if found.segment else ""
    confirm(f"Send the edition of {day} to {part}'{found.list_name}' at once?", yes=yes)
    campaign = _keeper(workspace).run_now(schedule, day, workspace.actor)
    try:
        run_campaign(workspace, campaign, as_json=as_json)
    except TryAgainLater:
        say(f"campaign {campaign} is frozen: a running 'newsletter serve' takes it, and so does")
        say(f"  newsletter campaigns resume {campaign}")
        raise


def edition_json(edition: Edition) -> dict[str, Any]:
    """Return an edition as a document."""
    return {
        "edition": edition.id,
        "schedule": edition.schedule,
        "day": edition.day,
        "due_at": edition.due_at,
        "deadline_at": edition.deadline_at,
        "status": edition.status.value,
        "reason": edition.reason,
        "digest": edition.digest_slug,
        "asked_at": edition.asked_at,
        "decided_at": edition.decided_at,
        "decided_by": edition.decided_by,
        "campaign": edition.campaign,
    }


def _keeper(workspace: Workspace) -> EditionKeeper:
    from newsletter.schedule.keeping import EditionKeeper

    return EditionKeeper(
        workspace.database,
        workspace.settings,
        workspace.clock,
        archive_url=workspace.archive_url,
    )


def _decide(
    workspace: Workspace,
    schedule: str,
    date: str | None,
    statuses: Collection[EditionStatus],
    *,
    yes: bool,
    as_json: bool,
) -> None:
    from newsletter.cli.console import answer, answer_json
    from newsletter.schedule.keeping import decide

    edition = _chosen(workspace, schedule, _date(date), statuses)
    decided = decide(
        workspace.database,
        edition.id,
        yes,
        workspace.clock.now(),
        workspace.actor,
        revision=edition.content_hash,
    )
    if as_json:
        answer_json(edition_json(decided))
    else:
        digest = f", digest '{decided.digest_slug}'" if decided.digest_slug else ""
        answer(
            f"the edition of {decided.day} of '{decided.schedule}'{digest}: {decided.status}, "
            f"due {decided.due_at:%Y-%m-%d %H:%M} UTC"
        )


def _chosen(
    workspace: Workspace, name: str, day: date | None, statuses: Collection[EditionStatus]
) -> Edition:
    """Return the edition that is meant: of a date, else the one that there is to decide about."""
    from newsletter.schedule.editions import find_edition, list_editions
    from newsletter.schedule.mistakes import ScheduleError
    from newsletter.schedule.schedules import get_schedule

    with workspace.database.read() as connection:
        schedule = get_schedule(connection, name)
        if day is not None:
            found = find_edition(connection, schedule.id, day)
            if found is None:
                raise ScheduleError(
                    f"there is no edition of {day} of '{name}' yet",
                    fix=f"to leave the date out: newsletter schedule skip {name} {day}",
                )
            return found
        waiting = list_editions(connection, schedule_id=schedule.id, statuses=statuses)
    if not waiting:
        raise ScheduleError(
            f"no edition of '{name}' waits for that", fix=f"newsletter schedule editions {name}"
        )
    if len(waiting) > 1:
        days = ", ".join(str(edition.day) for edition in reversed(waiting))
        raise ScheduleError(f"several editions of '{name}' wait: {days}", fix="add the date")
    return waiting[0]


def _date(text: str | None) -> date | None:
    from datetime import date

    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"'{text}' is no date", fix="write it as 2026-11-24") from None
