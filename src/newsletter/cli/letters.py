"""`newsletter letters`: single messages to one reader, such as the one that asks to confirm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.options import Json
from newsletter.cli.workspace import Workspace
from newsletter.errors import EXIT_REFUSED

if TYPE_CHECKING:
    from newsletter.delivery.letter_post import LetterPost
    from newsletter.delivery.letters import LetterCarrier
    from newsletter.delivery.states import DeliveryState

app = typer.Typer(help="Letters, such as confirmations: list, send.")


@app.command("list")
def list_(
    context: typer.Context,
    state: Annotated[
        str | None, typer.Option(help="Only those in a state, such as pending or rejected.")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many, the newest first.", min=1)] = 100,
    as_json: Json = False,
) -> None:
    """List letters, the newest first: what, for which list, what became of it; addresses masked."""
    from newsletter.cli.console import answer_json, answer_table, say
    from newsletter.delivery.letter_holding import count_held
    from newsletter.delivery.letter_reports import list_letters

    workspace: Workspace = context.obj
    wanted = _state(state)
    with workspace.database.read() as connection:
        found = list_letters(connection, state=wanted, limit=limit)
        held = count_held(connection)
    if as_json:
        answer_json([asdict(row) for row in found])
    elif found:
        answer_table(
            ("letter", "kind", "list", "address", "state", "reason", "created", "next", "answer"),
            [
                (
                    row.letter,
                    row.kind,
                    row.list,
                    row.address,
                    row.state,
                    row.reason,
                    row.created_at,
                    row.not_before,
                    row.answer,
                )
                for row in found
            ],
        )
    else:
        say("there are no letters" + (f" in state '{state}'" if state else ""))
    if held:
        say(f"{held} wait, for this database counts as a copy; newsletter letters send --held")


@app.command()
def send(
    context: typer.Context,
    held: Annotated[
        bool, typer.Option("--held", help="Also those that wait since the database is a copy.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Send the letters that are due now; 'newsletter serve' does so by itself.

    Exit code 0: all that was due is done. 1: some are deferred, unknown or held. 4, 75: the
    provider refuses us, or is away.
    """
    from newsletter.cli.console import answer, answer_json, say
    from newsletter.delivery.letter_holding import count_held, release_letters

    workspace: Workspace = context.obj
    if held:
        released = release_letters(workspace.database, workspace.clock.now(), actor=workspace.actor)
        say(f"{released} letters of a copy are released")
    done = build_carrier(workspace).deliver_due()
    counts = done.counts
    with workspace.database.read() as connection:
        waiting = count_held(connection)
    if as_json:
        answer_json({**counts, "held": waiting})
    else:
        answer(", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing is due")
    if done.problem is not None:
        raise done.problem
    if waiting:
        say(f"{waiting} wait, for this database counts as a copy; newsletter letters send --held")
    if waiting or counts.keys() & {"pending", "deferred", "unknown"}:
        raise typer.Exit(EXIT_REFUSED)


def build_carrier(workspace: Workspace) -> LetterCarrier:
    """Build what carries letters, with the provider of this process."""
    from newsletter.delivery.letters import LetterCarrier

    return LetterCarrier(
        database=workspace.database,
        provider=workspace.provider,
        keys=workspace.keys,
        signer=workspace.signer,
        settings=workspace.settings,
        clock=workspace.clock,
        limits=workspace.limits,
    )


@contextmanager
def letter_post(workspace: Workspace) -> Iterator[LetterPost]:
    """Carry letters in the background, with a provider of their own, until the block ends."""
    from dataclasses import replace

    from newsletter.delivery.letter_post import LetterPost
    from newsletter.providers.factory import build_provider

    provider = build_provider(workspace.settings, workspace.clock)
    post = LetterPost(replace(build_carrier(workspace), provider=provider))
    post.start()
    try:
        yield post
    finally:
        post.stop()
        provider.close()


def _state(name: str | None) -> DeliveryState | None:
    from newsletter.delivery.states import DeliveryState
    from newsletter.errors import UsageError

    if name is None:
        return None
    try:
        return DeliveryState[name.upper()]
    except KeyError:
        known = ", ".join(state.label for state in DeliveryState)
        raise UsageError(f"there is no state '{name}'", fix=f"use one of: {known}") from None
