"""Working on a campaign in the foreground: progress, signals, the final report, the exit code."""

from __future__ import annotations

import gc
from contextlib import suppress
from typing import TYPE_CHECKING

import typer

from newsletter.cli.alerts import telling_alerts
from newsletter.cli.signals import stopped_by_signals
from newsletter.cli.workspace import Workspace
from newsletter.errors import EXIT_DONE, EXIT_REFUSED, EXIT_TRY_AGAIN

if TYPE_CHECKING:
    from newsletter.delivery.campaigns import Campaign, Totals
    from newsletter.delivery.recovery import Recovered
    from newsletter.delivery.reports import Report
    from newsletter.delivery.sender import Sender

OTHERS_SECONDS = 0.5
"""How often a foreground send looks whether the workers beside it are done."""


def run_campaign(workspace: Workspace, campaign: int, *, as_json: bool) -> None:
    """Send a campaign as far as it goes now, then report and exit.

    Exit code 0: everybody has a final state. 1: somebody is unknown, deferred, expired or not
    sent. 75: it was stopped by a signal before it was done. Alerts are told at the end, however
    it ends.
    """
    with telling_alerts(workspace):
        _run(workspace, campaign, as_json=as_json)


def _run(workspace: Workspace, campaign: int, *, as_json: bool) -> None:
    from newsletter.cli.console import Progress, say
    from newsletter.delivery.campaigns import get_campaign
    from newsletter.delivery.due_work import others_send
    from newsletter.delivery.starting import start_when_due

    with workspace.database.read() as connection:
        current = get_campaign(connection, campaign)
    with Progress(f"campaign {campaign}", total=current.recipients) as bar:

        def show(states: Totals, running: Campaign, limits: list[str]) -> None:
            note = ", ".join([_note(states), *limits]).removeprefix(", ")
            bar.show(_settled(states), running.recipients, note)

        sender = workspace.sender(current.list_id, show)
        # What the program is made of does not become garbage, and a send makes millions of small
        # things: each look for garbage would walk all of it.
        gc.collect()
        gc.freeze()
        with stopped_by_signals(sender.stop, _say_ending):
            start_when_due(workspace.database, campaign, workspace.clock, sender.stop, tell=say)
            recovered = _send_or_follow(workspace, sender, campaign)
            # Workers beside this process may still hold claims of the campaign.
            while others_send(workspace.database, campaign):
                if sender.stop.wait(OTHERS_SECONDS):
                    break
                sender.run(campaign)
    if recovered is not None and recovered.all:
        words = ", ".join(
            f"{count} {kind.replace('_', ' ')}" for kind, count in recovered.counts.items()
        )
        say(f"recovered {recovered.all} claims of a process that had ended: {words}")
    apply_feedback(workspace)
    report = show_campaign(workspace, campaign, as_json=as_json)
    raise typer.Exit(_exit_code(report, stopped=sender.stop.is_set()))


def _send_or_follow(workspace: Workspace, sender: Sender, campaign: int) -> Recovered | None:
    """Send as far as it goes now; where `serve` sends, wait and show how far that is.

    Returns None where this process sent nothing. Raises `AnotherSends` for any other process.
    """
    from newsletter.cli.console import say
    from newsletter.delivery.campaigns import get_campaign, totals
    from newsletter.delivery.locking import AnotherSends
    from newsletter.delivery.serving_mark import is_served
    from newsletter.delivery.states import CampaignStatus

    told = False
    while not sender.stop.is_set():
        try:
            return sender.run(campaign)
        except AnotherSends:
            if not is_served(workspace.database):
                raise
        if not told:
            told = True
            say("'newsletter serve' is sending and will send this too; Ctrl-C leaves it to that")
        with workspace.database.read() as connection:
            current, states = get_campaign(connection, campaign), totals(connection, campaign)
        if current.status is not CampaignStatus.SENDING:
            return None
        if sender.progress is not None:
            sender.progress(states, current, [])
        sender.stop.wait(OTHERS_SECONDS)
    return None


def apply_feedback(workspace: Workspace) -> None:
    """Do what follows from what came back, and from soft refusals of a campaign that ended.

    What fails is said and stays for the next time: the send is done.
    """
    from newsletter.cli.console import say
    from newsletter.errors import NewsletterError

    try:
        workspace.applier.apply_waiting()
    except NewsletterError as error:
        say(f"warning: what came back could not be applied: {error}")


def settle_dead_claims(workspace: Workspace, list_id: int) -> None:
    """Settle what a killed process left, where nobody sends now; who sends does it itself."""
    from newsletter.errors import ConfigurationError, TryAgainLater

    with suppress(TryAgainLater, ConfigurationError):
        workspace.sender(list_id).settle()


def show_campaign(workspace: Workspace, campaign: int, *, as_json: bool) -> Report:
    """Print the final document of a campaign and, for people, what happens next."""
    from newsletter.cli.console import answer, answer_json, say
    from newsletter.delivery.reports import build_report, summary, what_next
    from newsletter.delivery.states import DeliveryState

    provider, now = workspace.settings.delivery.provider.value, workspace.clock.now()
    with workspace.database.read() as connection:
        report = build_report(connection, campaign)
        limits = workspace.limits.describe(connection, provider, now)
    document = summary(report.campaign, report.states)
    if limits:
        document["limits"] = limits
    if as_json:
        answer_json(document)
    else:
        current = report.campaign
        answer(
            f"campaign {current.id}: '{current.title}' to '{current.list}'"
            + (f", segment '{current.segment}'," * bool(current.segment))
            + f" by {current.provider}: {current.status}"
            + (f" ({current.status_reason})" * bool(current.status_reason))
        )
        answer(f"  {'recipients':<12}{current.recipients:>9}")
        for state, count in document.items():
            if state.upper() in DeliveryState.__members__ and count:
                answer(f"  {state:<12}{count:>9}{_reasons(report, state)}")
        answer(f"  {'seconds':<12}{document['seconds']:>9}")
    for line in (*limits, *what_next(report)):
        say(line)
    return report


def _reasons(report: Report, state: str) -> str:
    parts = [f"{count} {reason}" for s, reason, count in report.reasons if s == state]
    return f"  {', '.join(parts)}" if parts else ""


def _exit_code(report: Report, *, stopped: bool) -> int:
    from newsletter.delivery.states import CampaignStatus, DeliveryState

    if report.campaign.status is CampaignStatus.SENT:
        return EXIT_REFUSED if report.states.of(DeliveryState.EXPIRED) else EXIT_DONE
    if stopped and report.states.of(DeliveryState.PENDING):
        return EXIT_TRY_AGAIN
    return EXIT_REFUSED


def _settled(states: Totals) -> int:
    from newsletter.delivery.states import DeliveryState

    return states.all - states.of(
        DeliveryState.PENDING, DeliveryState.CLAIMED, DeliveryState.DEFERRED
    )


def _note(states: Totals) -> str:
    from newsletter.delivery.states import DeliveryState

    shown = (
        DeliveryState.ACCEPTED,
        DeliveryState.REJECTED,
        DeliveryState.DEFERRED,
        DeliveryState.UNKNOWN,
        DeliveryState.SKIPPED,
    )
    return ", ".join(f"{states.of(s)} {s.label}" for s in shown if states.of(s))


def _say_ending(name: str) -> None:
    from newsletter.cli.console import say

    say(f"{name}: finishing what is on the wire")
