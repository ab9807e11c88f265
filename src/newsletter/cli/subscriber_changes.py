"""`newsletter subscribers update|pause|resume|erase`: one subscriber, changed by an operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.options import Json, Yes, confirm
from newsletter.cli.workspace import Workspace
from newsletter.clock import zone_of
from newsletter.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime

Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="The subscriber's address.")]
OneList = Annotated[
    str | None, typer.Option("--list", "-l", help="Only on this list (default: on all).")
]
Tags = Annotated[list[str] | None, typer.Option(metavar="TAG", help="Repeatable.")]


def update(
    context: typer.Context,
    address: Address,
    name: Annotated[str | None, typer.Option(help="New name; '' clears it.")] = None,
    timezone: Annotated[str | None, typer.Option(help="IANA zone; '' clears it.")] = None,
    language: Annotated[str | None, typer.Option(help="Language tag; '' clears it.")] = None,
    tag: Tags = None,
    untag: Tags = None,
    as_json: Json = False,
) -> None:
    """Change what is known of a subscriber: name, zone, language, tags."""
    from newsletter.audience.address import parse_address
    from newsletter.audience.preferences import Details, change_details
    from newsletter.audience.subscribers import find_subscriber
    from newsletter.audience.tags import change_tags, tag_name, tags_of
    from newsletter.cli.console import answer, answer_json
    from newsletter.storage.audit import record_audit

    workspace: Workspace = context.obj
    parsed, now = parse_address(address), workspace.clock.now()
    add, remove = ([tag_name(word) for word in words or ()] for words in (tag, untag))
    with workspace.database.write() as connection:
        subscriber = find_subscriber(connection, parsed).id
        change_details(connection, subscriber, now, Details(name, timezone, language))
        change_tags(connection, subscriber, add=add, remove=remove)
        record_audit(
            connection,
            now,
            actor=workspace.actor,
            action="subscriber.update",
            subject=f"subscriber {subscriber}",
        )
        tags = tags_of(connection, subscriber)
    if as_json:
        answer_json({"address": parsed.text, "tags": tags})
    else:
        answer(f"{parsed.text}: changed; tags: {', '.join(tags) or 'none'}")


def pause(
    context: typer.Context,
    address: Address,
    until: Annotated[
        str | None, typer.Option("--until", help="Day of the first mail after it: 2027-01-15.")
    ] = None,
    list_name: OneList = None,
    as_json: Json = False,
) -> None:
    """Send a subscriber nothing until a day, or until 'subscribers resume'."""
    from newsletter.audience.address import parse_address
    from newsletter.audience.preferences import pause as pause_mail
    from newsletter.audience.subscribers import find_subscriber
    from newsletter.cli.console import answer, answer_json

    workspace: Workspace = context.obj
    parsed, end = parse_address(address), read_day(workspace, until) if until else None
    list_id = workspace.mailing_list(list_name).id if list_name else None
    with workspace.database.write() as connection:
        subscriber = find_subscriber(connection, parsed).id
        now = workspace.clock.now()
        lists = pause_mail(connection, subscriber, now, until=end, list_id=list_id)
    if as_json:
        answer_json({"address": parsed.text, "paused": lists, "until": end})
    else:
        then = f"until {end:%Y-%m-%d %H:%M} UTC" if end else "until 'subscribers resume'"
        answer(f"{parsed.text}: paused on {lists} list{'s' * (lists != 1)} {then}")


def resume(
    context: typer.Context, address: Address, list_name: OneList = None, as_json: Json = False
) -> None:
    """End a subscriber's pause."""
    from newsletter.audience.address import parse_address
    from newsletter.audience.preferences import end_pause
    from newsletter.audience.subscribers import find_subscriber
    from newsletter.cli.console import answer, answer_json

    workspace: Workspace = context.obj
    parsed = parse_address(address)
    list_id = workspace.mailing_list(list_name).id if list_name else None
    with workspace.database.write() as connection:
        subscriber = find_subscriber(connection, parsed).id
        lists = end_pause(connection, subscriber, workspace.clock.now(), list_id=list_id)
    if as_json:
        answer_json({"address": parsed.text, "resumed": lists})
    else:
        answer(f"{parsed.text}: resumed on {lists} list{'s' * (lists != 1)}")


def read_day(workspace: Workspace, text: str) -> datetime:
    """Read a day as its first moment in the newsletter's zone; raises `UsageError`."""
    from datetime import UTC, datetime

    try:
        day = datetime.strptime(text, "%Y-%m-%d")  # noqa: DTZ007 - the zone follows
    except ValueError:
        raise UsageError(f"'{text}' is no day", fix="write it as 2027-01-15") from None
    zone = zone_of(workspace.settings.newsletter.timezone)
    return day.replace(tzinfo=zone).astimezone(UTC)


def erase(
    context: typer.Context,
    address: Annotated[
        str | None, typer.Argument(metavar="[ADDRESS]", help="The subscriber's address.")
    ] = None,
    again: Annotated[
        bool,
        typer.Option(
            "--again", help="Everybody who was erased before and is back by a restored backup."
        ),
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Forget a person: nothing but a keyed hash stays, which keeps the address from being mailed.

    The database file is written anew, so that no trace is left in it. Backups made before still
    hold the person; restoring one erases them again.
    """
    from newsletter.audience.erasing import erase_again, erase_subscriber
    from newsletter.cli.console import answer, answer_json

    workspace: Workspace = context.obj
    if (address is None) != again:
        raise UsageError(
            "say who: an address, or --again", fix="newsletter subscribers erase --help"
        )
    _ = workspace.keys
    now, actor = workspace.clock.now(), workspace.actor
    if address is None:
        count = erase_again(workspace.database, workspace.keys, now, actor=actor)
    else:
        subscriber = _confirmed(workspace, address, yes=yes)
        erase_subscriber(
            workspace.database,
            subscriber,
            workspace.keys,
            now,
            actor=actor,
            forget_mail=workspace.forget_mail,
        )
        count = 1
    clean = _scrub(workspace) if count else True
    if as_json:
        answer_json({"erased": count, "file_written_anew": clean})
    else:
        answer(f"erased: {count}" + ("; the address stays suppressed" if address else ""))


def _confirmed(workspace: Workspace, address: str, *, yes: bool) -> int:
    from newsletter.audience.address import parse_address
    from newsletter.audience.subscribers import find_subscriber

    parsed = parse_address(address)
    with workspace.database.read() as connection:
        subscriber = find_subscriber(connection, parsed).id
    confirm(f"Forget {parsed.text} for good?", yes=yes)
    return subscriber


def _scrub(workspace: Workspace) -> bool:
    """Write the file anew; when it is busy, say what is left to do."""
    from newsletter.cli.console import say
    from newsletter.errors import TryAgainLater
    from newsletter.storage.scrubbing import scrub

    try:
        done = scrub(workspace.database)
    except TryAgainLater:
        done = False
    if not done:
        say(
            "warning: the database is in use: traces stay in the file until 'newsletter db compact'"
        )
    return done
