"""`newsletter suppressions reconcile` and `lift --at-provider`: SendGrid's lists beside our own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from newsletter.cli.options import Json

if TYPE_CHECKING:
    from newsletter.audience.address import Address
    from newsletter.cli.workspace import Workspace
    from newsletter.feedback.reconciling import Reconciled


def reconcile(context: typer.Context, as_json: Json = False) -> None:
    """Bring SendGrid's own suppressions into ours: bounces, blocks, complaints, unsubscribes.

    The first time all of them, then what is new. Exit code 4 when SendGrid refuses the key, 75 when
    it is away or asks to wait too long; a repetition does no harm.
    """
    from newsletter.cli.console import answer_json
    from newsletter.feedback.reconciling import Reconciler
    from newsletter.providers.sendgrid_suppressions import open_suppressions

    workspace: Workspace = context.obj
    settings, clock = workspace.settings, workspace.clock
    client = open_suppressions(settings, clock)
    try:
        done = Reconciler(
            workspace.database,
            workspace.keys,
            clock,
            client,
            workspace.applier,
            workspace.bounce_table,
        ).reconcile()
    finally:
        client.close()
    if as_json:
        answer_json(done.document())
    else:
        _tell_reconciled(done)


def _tell_reconciled(done: Reconciled) -> None:
    from newsletter.cli.console import answer, answer_table, say

    answer_table(
        ("list", "entries", "new", "known"),
        [(name, one.entries, one.new, one.known) for name, one in done.lists.items()],
    )
    since = f"since {done.since:%Y-%m-%d %H:%M}" if done.since else "all of them"
    answer(
        f"{done.new} new, {done.known} known, {since}, in {done.seconds:.1f} s; "
        f"{done.applied.suppressed} addresses suppressed, {done.applied.left} memberships ended"
    )
    if unread := sum(one.unread for one in done.lists.values()):
        say(f"warning: {unread} entries make no sense and were left out")


def lift_at_provider(workspace: Workspace, address: Address) -> list[str]:
    """Take an address off SendGrid's lists; returns those that held it."""
    from newsletter.feedback.reconciling import delete_at_provider
    from newsletter.providers.sendgrid_suppressions import open_suppressions

    client = open_suppressions(workspace.settings, workspace.clock)
    try:
        return delete_at_provider(
            workspace.database,
            workspace.keys,
            client,
            address,
            at=workspace.clock.now(),
            actor=workspace.actor,
        )
    finally:
        client.close()
