"""`newsletter campaigns`: what was sent, what is being sent, and what needs a decision."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from newsletter.cli.campaign_listing import relist, show_with_page, unlist
from newsletter.cli.campaign_reports import report
from newsletter.cli.options import CampaignNumber, Json
from newsletter.cli.running import run_campaign, settle_dead_claims, show_campaign
from newsletter.cli.workspace import Workspace
from newsletter.errors import UsageError

app = typer.Typer(
    help="Campaigns: list, show, pause, resume, cancel, report, resolve, unlist, relist."
)

_AFTERWARDS = ("delivered", "bounced", "complained")
"""States that only what comes back leads to."""


@app.command("list")
def list_(
    context: typer.Context,
    limit: Annotated[int, typer.Option(help="How many, the newest first.", min=1)] = 50,
    as_json: Json = False,
) -> None:
    """List campaigns, newest first, with what became of their recipients."""
    from newsletter.cli.console import answer_json, answer_table, say
    from newsletter.delivery.campaigns import list_campaigns, totals
    from newsletter.delivery.reports import summary

    workspace: Workspace = context.obj
    with workspace.database.read() as connection:
        rows = [
            summary(campaign, totals(connection, campaign.id))
            for campaign in list_campaigns(connection, limit=limit)
        ]
    if as_json:
        answer_json(rows)
    elif rows:
        columns = (
            *("campaign", "digest", "list"),
            *(("segment",) if any(row["segment"] for row in rows) else ()),
            *("status", "recipients", "accepted", "rejected"),
            *("deferred", "unknown", "skipped", "expired", "pending"),
            *(state for state in _AFTERWARDS if any(row[state] for row in rows)),
        )
        answer_table(columns, [[row[column] for column in columns] for row in rows])
    else:
        say("no campaigns yet: newsletter send DIGEST --list NAME")


@app.command()
def show(context: typer.Context, campaign: CampaignNumber, as_json: Json = False) -> None:
    """Show one campaign: its status, its page, and the state of every recipient, in numbers."""
    show_with_page(context.obj, campaign, as_json=as_json)


@app.command()
def pause(context: typer.Context, campaign: CampaignNumber, as_json: Json = False) -> None:
    """Pause a campaign; takes effect within one batch and survives a restart."""
    _change(context.obj, campaign, "pause", as_json=as_json)


@app.command()
def resume(context: typer.Context, campaign: CampaignNumber, as_json: Json = False) -> None:
    """Go on with a campaign, in the foreground, with the audience and content it was frozen with.

    Also after a crash: what a dead process left is settled first, and nobody gets it twice.
    """
    from newsletter.cli.console import say
    from newsletter.delivery.campaigns import change_status, get_campaign
    from newsletter.delivery.states import CampaignStatus

    workspace: Workspace = context.obj
    with workspace.database.read() as connection:
        current = get_campaign(connection, campaign)
    status = current.status
    if status is CampaignStatus.HELD:
        say(f"campaign {campaign} was held: {current.status_reason}")
    # A cancelled one sends nothing more, but what a killed sender had claimed is settled (G7).
    settled = (CampaignStatus.SCHEDULED, CampaignStatus.SENT, CampaignStatus.CANCELLED)
    if status not in settled:
        change_status(
            workspace.database, campaign, "resume", workspace.clock.now(), actor=workspace.actor
        )
    run_campaign(workspace, campaign, as_json=as_json)


@app.command()
def cancel(context: typer.Context, campaign: CampaignNumber, as_json: Json = False) -> None:
    """Cancel a campaign: whoever has not got it is marked skipped (cancelled)."""
    _change(context.obj, campaign, "cancel", as_json=as_json)


def _change(workspace: Workspace, campaign: int, word: str, *, as_json: bool) -> None:
    from newsletter.delivery.campaigns import change_status, get_campaign

    change_status(workspace.database, campaign, word, workspace.clock.now(), actor=workspace.actor)
    with workspace.database.read() as connection:
        list_id = get_campaign(connection, campaign).list_id
    settle_dead_claims(workspace, list_id)
    show_campaign(workspace, campaign, as_json=as_json)


app.command()(report)
app.command()(unlist)
app.command()(relist)


class Mark(StrEnum):
    """What an operator may find out about an unknown delivery."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"


@app.command()
def resolve(
    context: typer.Context,
    campaign: CampaignNumber,
    retry: Annotated[
        bool, typer.Option("--retry", help="Send them again, once, with the same Message-ID.")
    ] = False,
    hold: Annotated[
        bool, typer.Option("--hold", help="Keep them until evidence comes, whatever the policy.")
    ] = False,
    mark: Annotated[
        Mark | None, typer.Option("--mark", help="You found out what became of them.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="DELIVERY", help="Only this delivery, as 7-1234 (repeat)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the deliveries whose answer was lost, and decide what becomes of them.

    Without an option nothing changes. After --retry, 'campaigns resume' sends them.
    """
    from newsletter.cli.console import answer, answer_json, answer_table
    from newsletter.delivery.resolving import decide_unknown, hold_unknown, unknown_deliveries

    workspace: Workspace = context.obj
    if sum((retry, hold, mark is not None)) > 1:
        raise UsageError("--retry, --hold and --mark exclude each other", fix="use one of them")
    now, actor = workspace.clock.now(), workspace.actor
    chosen = [_subscriber(campaign, text) for text in only] if only else None
    settled = 0
    if hold:
        hold_unknown(workspace.database, campaign, now, actor=actor)
    elif retry or mark:
        settled = decide_unknown(
            workspace.database,
            campaign,
            "retry" if retry else str(mark),
            now,
            actor=actor,
            only=chosen,
        )
    left = unknown_deliveries(workspace.database, campaign)
    if as_json:
        answer_json(
            {"campaign": campaign, "settled": settled, "unknown": [asdict(row) for row in left]}
        )
        return
    if settled:
        then = f"; newsletter campaigns resume {campaign} sends them" if retry else ""
        answer(f"{settled} settled{then}")
    answer(f"{len(left)} unknown")
    if left:
        answer_table(
            ("delivery", "address", "claimed", "reason", "answer"),
            [(r.delivery, r.address, r.claimed_at, r.reason, r.answer) for r in left],
        )


def _subscriber(campaign: int, text: str) -> int:
    from newsletter.providers.base import DeliveryId

    delivery = DeliveryId.parse(text)
    if delivery is None or delivery.campaign != campaign:
        raise UsageError(
            f"'{text}' is no delivery of campaign {campaign}", fix=f"write it as {campaign}-1234"
        )
    return delivery.subscriber
