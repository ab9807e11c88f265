"""`newsletter test` and `newsletter send`: one proof, or the whole list."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.options import DigestReference, Json, ListName, OptionalListName, Yes
from newsletter.cli.workspace import Workspace
from newsletter.clock import zone_of
from newsletter.errors import EXIT_DONE, EXIT_REFUSED, UsageError

if TYPE_CHECKING:
    from newsletter.audience.lists import MailingList
    from newsletter.audience.segment_model import Segment
    from newsletter.delivery.freeze_request import FreezeRequest
    from newsletter.delivery.preparing import Prepared


def send_one(
    context: typer.Context,
    digest: DigestReference,
    to: Annotated[str, typer.Option("--to", help="Address that gets the test message.")],
    list_name: OptionalListName = None,
    name: Annotated[str, typer.Option(help="Name of the reader it is merged for.")] = "",
    as_json: Json = False,
) -> None:
    """Send one real message through the configured provider, marked as a test."""
    from newsletter.audience.address import parse_address
    from newsletter.audience.suppressions import refuse_suppressed
    from newsletter.cli.console import answer, answer_json, say_findings
    from newsletter.delivery.preparing import refuse_unready, refuse_unsafe_settings
    from newsletter.delivery.proofs import send_test
    from newsletter.providers.base import OutcomeKind

    workspace: Workspace = context.obj
    address = parse_address(to)
    prepared = workspace.prepare(digest, list_name)
    # A draft may be looked at in a mailbox; to readers it does not go.
    content = refuse_unready(prepared, drafts=True)
    say_findings(prepared.path, prepared.findings)
    refuse_unsafe_settings(workspace.settings, prepared.identity)
    with workspace.database.read() as connection:
        refuse_suppressed(connection, workspace.keys, address)
    outcome = send_test(prepared, content, workspace.provider, address=address.text, name=name)
    words = " ".join(
        str(part) for part in (outcome.code, outcome.status, outcome.detail) if part is not None
    ).strip()
    if as_json:
        answer_json({"to": address.text, "outcome": outcome.kind, "answer": words})
    else:
        answer(f"{outcome.kind.replace('_', ' ')}: {address.text}" + (f" ({words})" * bool(words)))
    if outcome.kind is not OutcomeKind.ACCEPTED:
        raise typer.Exit(EXIT_REFUSED)


def send(
    context: typer.Context,
    digest: DigestReference,
    list_name: ListName,
    segment: Annotated[
        str | None, typer.Option("--segment", help="Only to those of the list in this segment.")
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", help="Start then: HH:MM or 2026-11-24T08:00, list's zone.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen; write and send nothing.")
    ] = False,
    yes: Yes = False,
    again: Annotated[
        bool, typer.Option("--again", help="Send a digest the list has already had once more.")
    ] = False,
    unlisted: Annotated[
        bool, typer.Option("--unlisted", help="Keep its page out of the archive and its feeds.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until the campaign is finished.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Send a digest to a list or a segment of it: freeze the audience, then deliver to each once.

    After a segment, another one or the whole list may follow: who had it is left out. Run again
    after an interruption, it goes on with the same campaign and repeats nobody.
    """
    from newsletter.cli.console import say, say_findings
    from newsletter.cli.running import run_campaign, show_campaign
    from newsletter.delivery.campaigns import AlreadySent, freeze
    from newsletter.delivery.preparing import refuse_unready, refuse_unsafe_settings
    from newsletter.delivery.states import CampaignStatus
    from newsletter.digest.model import Severity

    workspace: Workspace = context.obj
    mailing_list = workspace.mailing_list(list_name)
    # Its mails name the page's address, so that is settled before anything is rendered.
    prepared = workspace.prepare(digest, list_name, segment=segment, listed=not unlisted)
    refuse_unready(prepared)
    refuse_unsafe_settings(workspace.settings, prepared.identity)
    say_findings(prepared.path, (f for f in prepared.findings if f.severity is Severity.WARNING))
    # Built before anything is frozen: a missing key is told now, not in the middle.
    _ = workspace.keys, workspace.provider
    start = parse_start(at, prepared.identity.timezone, workspace.clock.now()) if at else None
    request = freeze_request(
        workspace,
        mailing_list,
        prepared,
        again=again,
        start=start,
        segment=segment,
        listed=not unlisted,
    )
    if dry_run:
        _dry_run(workspace, request, prepared.warnings, as_json=as_json)
        return
    _confirm(workspace, request, yes=yes)
    try:
        campaign = freeze(workspace.database, request, workspace.clock.now(), actor=workspace.actor)
    except AlreadySent as already:
        unfinished = already.status in (CampaignStatus.SENDING, CampaignStatus.SCHEDULED)
        if not (unfinished and already.same_audience):
            raise
        campaign = already.campaign
        say(f"going on with campaign {campaign}: it is unfinished and frozen as it was")
    if not wait:
        from newsletter.delivery.serving_mark import is_served
        from newsletter.delivery.work_queue import announce

        if announce(workspace.database, campaign):
            say(f"campaign {campaign} is frozen; running workers have been told of it")
        elif is_served(workspace.database):
            say(f"campaign {campaign} is frozen; the running 'newsletter serve' sends it")
        else:
            say(f"campaign {campaign} is frozen; 'newsletter campaigns resume {campaign}' sends it")
        show_campaign(workspace, campaign, as_json=as_json)
        raise typer.Exit(EXIT_DONE)
    run_campaign(workspace, campaign, as_json=as_json)


def parse_start(text: str, zone: str, now: datetime) -> datetime:
    """Read `--at`: a time of the next 24 hours, or a date and time, in the list's zone.

    Raises `UsageError` for anything else, for a time that the zone's clocks skip, and for the past.
    """
    from datetime import UTC, timedelta

    local_now = now.astimezone(zone_of(zone))
    try:
        if len(text) <= 5:
            hour, _, minute = text.partition(":")
            local = local_now.replace(
                hour=int(hour), minute=int(minute), second=0, microsecond=0, fold=0
            )
            if local <= local_now:
                local += timedelta(days=1)
        else:
            local = datetime.fromisoformat(text)
            if local.tzinfo is None:
                local = local.replace(tzinfo=zone_of(zone))
    except ValueError:
        raise UsageError(f"'{text}' is not a time", fix="use 08:00 or 2026-11-24T08:00") from None
    start = local.astimezone(UTC)
    if start.astimezone(local.tzinfo).replace(tzinfo=None) != local.replace(tzinfo=None):
        raise UsageError(f"{text} does not exist in {zone}: clocks skip it", fix="name another")
    if start <= now:
        raise UsageError(f"{text} is in the past", fix="leave out --at to send now")
    return start


def freeze_request(
    workspace: Workspace,
    mailing_list: MailingList,
    prepared: Prepared,
    *,
    again: bool,
    start: datetime | None,
    segment: str | None = None,
    listed: bool = True,
) -> FreezeRequest:
    """Gather what a campaign is made of; `segment` is a name.

    Raises `DeliveryError` when the digest has errors, `AudienceError` for an unknown segment.
    """
    from newsletter.delivery import requests

    return requests.freeze_request(
        workspace.settings,
        mailing_list,
        prepared,
        again=again,
        start=start,
        segment=_segment(workspace, segment) if segment else None,
        listed=listed,
    )


def _segment(workspace: Workspace, name: str) -> Segment:
    from newsletter.audience.segments import get_segment

    with workspace.database.read() as connection:
        return get_segment(connection, name)


def _confirm(workspace: Workspace, request: FreezeRequest, *, yes: bool) -> None:
    if not yes and not sys.stdin.isatty():
        raise UsageError("nobody is here to confirm the send", fix="add --yes")
    from newsletter.audience.eligibility import count_selected
    from newsletter.cli.console import say
    from newsletter.delivery.freezing import choose_audience

    with workspace.database.read() as connection:
        audience = choose_audience(connection, request, workspace.clock.now())
        left_out = audience.count_left_out(connection)
        readers = 0 if yes else count_selected(connection, audience.selection)
    if left_out:
        say(f"left out: {left_out} who are in an earlier campaign of '{request.slug}'")
    if not yes:
        typer.confirm(
            f"Send '{request.title}' to {readers} subscribers {request.audience} "
            f"through {workspace.provider.name}?",
            abort=True,
            err=True,
        )


def _dry_run(workspace: Workspace, request: FreezeRequest, warnings: int, *, as_json: bool) -> None:
    from newsletter.cli.console import answer, answer_json, say
    from newsletter.delivery.rehearsal import rehearse

    rehearsal = rehearse(workspace.database, request, workspace.keys, workspace.clock.now())
    start = request.not_before
    document = {
        "dry_run": True,
        "digest": request.slug,
        "list": request.list_name,
        "segment": request.segment_name,
        "provider": workspace.provider.name,
        "subject": request.content.subject,
        "recipients": rehearsal.recipients,
        "would_skip": rehearsal.skips,
        "left_out": rehearsal.left_out,
        "refusal": rehearsal.refusal,
        "warnings": warnings,
        "start": start,
        "listed": request.listed,
        "archive_url": request.identity.archive_url,
    }
    if rehearsal.refusal:
        say(f"without --again: {rehearsal.refusal}")
    if as_json:
        answer_json(document)
        return
    answer(f"would send '{request.title}' to those {request.audience} by {workspace.provider.name}")
    answer(f"  recipients  {rehearsal.recipients}")
    for reason, count in rehearsal.skips.items():
        answer(f"  skipped     {count} ({reason})")
    if rehearsal.left_out:
        answer(f"  left out    {rehearsal.left_out} (in an earlier campaign of this digest)")
    if request.identity.archive_url:
        note = "" if request.listed else " (unlisted)"
        answer(f"  page        {request.identity.archive_url}{note}")
    answer(f"  start       {f'{start:%Y-%m-%d %H:%M} UTC' if start else 'at once'}")
