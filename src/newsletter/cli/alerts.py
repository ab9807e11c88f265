"""`newsletter alerts`: what the program told its operator, or tried to; and telling it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.options import Json
from newsletter.cli.workspace import Workspace
from newsletter.errors import EXIT_REFUSED, ConfigurationError, NewsletterError, Place

if TYPE_CHECKING:
    from newsletter.delivery.alert_post import AlertCarrier, AlertPost

app = typer.Typer(help="Alerts to the operator: list, test.")

PATIENCE_SECONDS = 60.0
"""After so long a command begins to tell no other alert; the next one, or `serve`, goes on."""


@app.command("list")
def list_(
    context: typer.Context,
    limit: Annotated[int, typer.Option(help="How many, the newest first.", min=1)] = 100,
    as_json: Json = False,
) -> None:
    """List alerts, the newest first: what they tell of, and who was told; --json has the words."""
    from newsletter.cli.console import answer_json, answer_table, say
    from newsletter.delivery.alert_claims import list_alerts

    workspace: Workspace = context.obj
    with workspace.database.read() as connection:
        found = list_alerts(connection, limit=limit)
    if as_json:
        answer_json([asdict(row) for row in found])
    elif found:
        answer_table(
            ("alert", "raised", "subject", "state", "next", "ways"),
            [
                (
                    row.alert,
                    row.at,
                    row.subject,
                    row.state,
                    row.next_try,
                    "; ".join(f"{way}: {came}" for way, came in row.ways.items()) or None,
                )
                for row in found
            ],
        )
    else:
        say("there are no alerts")


@app.command("test")
def try_ways(context: typer.Context, as_json: Json = False) -> None:
    """Send a test alert by every configured way, and say what came of each.

    Exit code 0: every way took it. 1: some did not. 3: no way is configured.
    """
    from newsletter.cli.console import answer, answer_json

    workspace: Workspace = context.obj
    part = workspace.settings.alerts
    if not part.mail_to and part.webhook is None and part.command is None:
        raise ConfigurationError(
            "nobody is told of alerts: no way is configured",
            where=Place(workspace.settings.file),
            fix='set mail_to = ["you@your-domain"], webhook or command under [alerts]',
        )
    tried = alert_post(workspace).try_ways()
    if as_json:
        answer_json(
            [{"way": t.way, "told": t.problem is None, "problem": t.problem} for t in tried]
        )
    else:
        for one in tried:
            answer(f"{one.way}: {one.problem or 'told'}")
    if any(one.problem for one in tried):
        raise typer.Exit(EXIT_REFUSED)


def alert_post(workspace: Workspace) -> AlertPost:
    """Build what tells alerts; each round opens a provider of its own."""
    from newsletter.delivery.alert_post import AlertPost
    from newsletter.providers.factory import build_provider
    from newsletter.schedule.operator_mail import OperatorMails

    mails = OperatorMails(
        workspace.database, workspace.settings, lambda: workspace.signer, workspace.clock
    )
    return AlertPost(
        database=workspace.database,
        settings=workspace.settings,
        clock=workspace.clock,
        open_provider=lambda: build_provider(workspace.settings, workspace.clock),
        content_of=mails.content_of,
    )


def tell_alerts(workspace: Workspace) -> None:
    """Tell what is due at the end of a command; what fails is said, and never raised."""
    from newsletter.cli.console import say
    from newsletter.delivery.alert_claims import count_untold

    try:
        alert_post(workspace).tell(seconds=PATIENCE_SECONDS)
        with workspace.database.read() as connection:
            waiting = count_untold(connection)
    except NewsletterError as error:
        say(f"warning: alerts could not be told: {error}")
        return
    if waiting:
        say(f"warning: {waiting} alerts are not told yet; newsletter alerts list")


@contextmanager
def telling_alerts(workspace: Workspace) -> Iterator[None]:
    """Tell alerts behind a block that may raise some, also when it ends with an error."""
    try:
        yield
    except Exception:
        # Not behind a second Ctrl-C: who presses it wants the end.
        tell_alerts(workspace)
        raise
    tell_alerts(workspace)


@contextmanager
def alert_carrier(workspace: Workspace) -> Iterator[AlertCarrier]:
    """Tell alerts in the background until the block ends."""
    from newsletter.delivery.alert_post import AlertCarrier

    carrier = AlertCarrier(alert_post(workspace))
    carrier.start()
    try:
        yield carrier
    finally:
        carrier.stop()
