"""`newsletter domains`: remote domains that are left alone because they refuse us as a whole."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from newsletter.cli.options import Json
from newsletter.cli.workspace import Workspace
from newsletter.errors import NewsletterError

app = typer.Typer(help="Held remote domains: list, release.")


@app.command("list")
def list_(context: typer.Context, as_json: Json = False) -> None:
    """List the domains that are held now: until when, why, and since which campaign."""
    from newsletter.cli.console import answer_json, answer_table, say
    from newsletter.delivery.domains import held_domains

    workspace: Workspace = context.obj
    with workspace.database.read() as connection:
        holds = list(held_domains(connection, workspace.clock.now()).values())
    if as_json:
        answer_json([asdict(hold) for hold in holds])
    elif holds:
        answer_table(
            ("domain", "until", "campaign", "reason"),
            [(h.domain, h.until, h.campaign, h.reason) for h in holds],
        )
    else:
        say("no domain is held")


@app.command()
def release(
    context: typer.Context,
    domain: Annotated[str, typer.Argument(help="The domain, as 'domains list' names it.")],
    as_json: Json = False,
) -> None:
    """End a domain's hold at once: its deliveries are due again with the next send or resume."""
    from newsletter.cli.console import answer, answer_json
    from newsletter.delivery.domains import domain_of, release_domain
    from newsletter.delivery.ledger import make_due

    workspace: Workspace = context.obj
    name, now = domain_of(f"@{domain}"), workspace.clock.now()
    with workspace.database.write() as connection:
        until = release_domain(connection, name, at=now, actor=workspace.actor)
        due = make_due(connection, name, held_until=until) if until else 0
    if until is None:
        raise NewsletterError(f"'{domain}' is not held", fix="newsletter domains list")
    if as_json:
        answer_json({"domain": name, "due": due})
    else:
        answer(f"{name} is released; {due} deliveries are due")
