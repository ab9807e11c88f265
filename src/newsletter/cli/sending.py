"""`newsletter test` and `newsletter send`: one proof, or the whole list."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.options import DigestReference, Json, ListName, OptionalListName, Yes
from newsletter.cli.workspace import Workspace
from newsletter.errors import EXIT_DONE, EXIT_REFUSED, UsageError

if TYPE_CHECKING:
    from newsletter.audience.lists import MailingList
    from newsletter.delivery.campaigns import FreezeRequest
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
    from newsletter.cli.console import answer, answer_json
    from newsletter.delivery.preparing import refuse_unready, refuse_unsafe_settings
    from newsletter.delivery.proofs import send_test
    from newsletter.providers.base import OutcomeKind

    workspace: Workspace = context.obj
    address = parse_address(to)
    prepared = workspace.prepare(digest, list_name)
    content = refuse_unready(prepared)
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
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until the campaign is finished.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Send a digest to a list: freeze the audience, then deliver to each subscriber once.

    Run again after an interruption, it goes on with the same campaign and repeats nobody.
    """
    from newsletter.cli.console import say
    from newsletter.cli.running import run_campaign, show_campaign
    from newsletter.delivery.campaigns import AlreadySent, freeze
    from newsletter.delivery.preparing import refuse_unready, refuse_unsafe_settings
    from newsletter.delivery.states import CampaignStatus
    from newsletter.digest.model import Severity

    workspace: Workspace = context.obj
    mailing_list = workspace.mailing_list(list_name)
    prepared = workspace.prepare(digest, list_name)
    refuse_unready(prepared)
    refuse_unsafe_settings(workspace.settings, prepared.identity)
    for finding in prepared.findings:
        if finding.severity is Severity.WARNING:
            say(f"{prepared.path}:{finding.line or 1}: warning: {finding.problem}")
    # Built before anything is frozen: a missing key is told now, not in the middle.
    _ = workspace.keys, workspace.provider
    start = parse_start(at, prepared.identity.timezone, workspace.clock.now()) if at else None
    if dry_run:
        _dry_run(workspace, mailing_list, prepared, start, as_json=as_json)
        return
    request = freeze_request(workspace, mailing_list, prepared, again=again, start=start)
    _confirm(workspace, mailing_list, prepared, yes=yes)
    try:
        campaign = freeze(workspace.database, request, workspace.clock.now(), actor=workspace.actor)
    except AlreadySent as already:
        if already.status not in (CampaignStatus.SENDING, CampaignStatus.SCHEDULED):
            raise
        campaign = already.campaign
        say(f"going on with campaign {campaign}: it is unfinished and frozen as it was")
    if not wait:
        from newsletter.delivery.work_queue import announce

        if announce(workspace.database, campaign):
            say(f"campaign {campaign} is frozen; running workers have been told of it")
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
    from zoneinfo import ZoneInfo

    local_now = now.astimezone(ZoneInfo(zone))
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
                local = local.replace(tzinfo=ZoneInfo(zone))
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
) -> FreezeRequest:
    """Gather what a campaign is made of; raises `DeliveryError` when the digest has errors."""
    from newsletter.delivery.campaigns import FreezeRequest
    from newsletter.delivery.preparing import refuse_unready

    delivery = workspace.settings.delivery
    return FreezeRequest(
        list_id=mailing_list.id,
        list_name=mailing_list.name,
        slug=prepared.digest.slug,
        title=prepared.title,
        content_hash=prepared.digest.content_hash,
        markdown=prepared.path.read_text(encoding="utf-8-sig"),
        content=refuse_unready(prepared),
        identity=prepared.identity,
        provider=delivery.provider.value,
        on_unknown=delivery.on_unknown.value,
        expires_after=delivery.expires_after,
        again=again,
        not_before=start,
        canary=workspace.settings.brakes.canary,
    )


def _confirm(
    workspace: Workspace, mailing_list: MailingList, prepared: Prepared, *, yes: bool
) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("nobody is here to confirm the send", fix="add --yes")
    from newsletter.audience.lists import count_active

    with workspace.database.read() as connection:
        readers = count_active(connection, mailing_list.id, workspace.clock.now())
    typer.confirm(
        f"Send '{prepared.title}' to {readers} subscribers of '{mailing_list.name}' "
        f"through {workspace.provider.name}?",
        abort=True,
        err=True,
    )


def _dry_run(
    workspace: Workspace,
    mailing_list: MailingList,
    prepared: Prepared,
    start: datetime | None,
    *,
    as_json: bool,
) -> None:
    from newsletter.cli.console import answer, answer_json
    from newsletter.delivery.rehearsal import rehearse

    rehearsal = rehearse(workspace.database, mailing_list.id, workspace.keys, workspace.clock.now())
    document = {
        "dry_run": True,
        "digest": prepared.digest.slug,
        "list": mailing_list.name,
        "provider": workspace.provider.name,
        "subject": prepared.content.subject if prepared.content else None,
        "recipients": rehearsal.recipients,
        "would_skip": rehearsal.skips,
        "warnings": prepared.warnings,
        "start": start,
    }
    if as_json:
        answer_json(document)
        return
    answer(f"would send '{prepared.title}' to '{mailing_list.name}' by {workspace.provider.name}")
    answer(f"  recipients  {rehearsal.recipients}")
    for reason, count in rehearsal.skips.items():
        answer(f"  skipped     {count} ({reason})")
    answer(f"  start       {f'{start:%Y-%m-%d %H:%M} UTC' if start else 'at once'}")
