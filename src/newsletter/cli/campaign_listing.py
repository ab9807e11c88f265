"""Where a campaign's public page is, and whether the archive names it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from newsletter.cli.options import CampaignNumber, Json
from newsletter.cli.workspace import Workspace

if TYPE_CHECKING:
    from newsletter.delivery.campaigns import Campaign


@dataclass(frozen=True, slots=True)
class _PublicPage:
    """`named`: the archive names it now, which is at most what `listed` asks for."""

    listed: bool
    named: bool
    url: str

    def document(self) -> dict[str, Any]:
        """Return what `--json` says of it."""
        return {"listed": self.listed, "archive_url": self.url}


def unlist(context: typer.Context, campaign: CampaignNumber, as_json: Json = False) -> None:
    """Take a campaign out of the archive, its feeds and the sitemap; search engines drop it.

    The address in mails that were sent goes on working.
    """
    _set(context.obj, campaign, listed=False, as_json=as_json)


def relist(context: typer.Context, campaign: CampaignNumber, as_json: Json = False) -> None:
    """Put a campaign back into the archive, its feeds and the sitemap."""
    _set(context.obj, campaign, listed=True, as_json=as_json)


def _set(workspace: Workspace, campaign: int, *, listed: bool, as_json: bool) -> None:
    from newsletter.cli.console import answer, answer_json, say
    from newsletter.delivery.campaign_listing import set_listed

    now = workspace.clock.now()
    changed = set_listed(workspace.database, campaign, now, listed=listed, actor=workspace.actor)
    page = _page(workspace, _campaign(workspace, campaign))
    if as_json:
        answer_json({"campaign": campaign, "changed": changed, **page.document()})
        return
    verb = "is" if changed else "was already"
    answer(f"campaign {campaign} {verb} {'listed' if listed else 'unlisted'}: {page.url}")
    if listed and not page.named:
        say("its list is not public, so the archive does not name it")


def show_with_page(workspace: Workspace, campaign: int, *, as_json: bool) -> None:
    """Print the report of a campaign, with its page."""
    from newsletter.cli.console import answer, answer_json, say
    from newsletter.cli.running import show_campaign
    from newsletter.delivery.reports import build_report, summary, what_next

    page = _page(workspace, _campaign(workspace, campaign))
    if not as_json:
        show_campaign(workspace, campaign, as_json=False)
        answer(f"  {'page':<12}{page.url}{'' if page.listed else ' (unlisted)'}")
        return
    provider, now = workspace.settings.delivery.provider.value, workspace.clock.now()
    with workspace.database.read() as connection:
        report = build_report(connection, campaign)
        limits = workspace.limits.describe(connection, provider, now)
    document = summary(report.campaign, report.states) | page.document()
    answer_json(document | ({"limits": limits} if limits else {}))
    for line in (*limits, *what_next(report)):
        say(line)


def _campaign(workspace: Workspace, campaign: int) -> Campaign:
    from newsletter.delivery.campaigns import get_campaign

    with workspace.database.read() as connection:
        return get_campaign(connection, campaign)


def _page(workspace: Workspace, campaign: Campaign) -> _PublicPage:
    """Return where the page is: where its mails say, else where it is found now."""
    from newsletter.delivery.archive_addresses import archive_url
    from newsletter.delivery.campaign_listing import told_address

    mailing_list = workspace.mailing_list(campaign.list)
    with workspace.database.read() as connection:
        told = told_address(connection, campaign.id)
    url = told or archive_url(
        workspace.settings.newsletter.base_url,
        workspace.keys,
        mailing_list,
        campaign.digest,
        listed=campaign.listed,
    )
    return _PublicPage(campaign.listed, campaign.listed and mailing_list.public, url)
