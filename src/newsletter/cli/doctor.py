"""`newsletter doctor`: what would go wrong tomorrow, told today."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli.options import Json
from newsletter.cli.workspace import Workspace
from newsletter.errors import EXIT_REFUSED, NewsletterError

if TYPE_CHECKING:
    from newsletter.providers.base import Health


def doctor(
    context: typer.Context,
    dns: Annotated[
        bool, typer.Option("--dns/--no-dns", help="Ask DNS about the sender's records.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Look at settings, keys, database, templates, provider, clock and DNS; send nothing."""
    from newsletter.cli.console import answer, answer_json
    from newsletter.delivery import checkup
    from newsletter.providers.base import Health

    workspace: Workspace = context.obj
    settings = workspace.settings
    lines = [*checkup.look_at_settings(settings), *checkup.look_at_clock(workspace.clock.now())]
    looks: dict[str, Callable[[], list[Health]]] = {
        "keys": lambda: [Health("keys", bool(workspace.keys), "readable by you alone")],
        "database": lambda: checkup.look_at_database(workspace.database, workspace.clock.now()),
        "file rights": lambda: checkup.look_at_rights(settings, workspace.database.path),
        "templates": lambda: checkup.look_at_templates(settings),
        "provider": lambda: workspace.provider.health(),  # noqa: PLW0108 - built only when asked
    }
    if dns:
        looks["DNS"] = lambda: _look_at_dns(workspace)
    for name, look in looks.items():
        try:
            lines += look()
        except NewsletterError as error:
            lines.append(Health(name, ok=False, detail=str(error), fix=error.fix))
    healthy = all(line.ok for line in lines)
    if as_json:
        answer_json({"healthy": healthy, "checks": [_document(line) for line in lines]})
    else:
        for line in lines:
            for text in _told(line):
                answer(text)
    if not healthy:
        raise typer.Exit(EXIT_REFUSED)


def _look_at_dns(workspace: Workspace) -> list[Health]:
    """Ask about every sender; where the database cannot be read, about the settings' own alone."""
    from newsletter.delivery.checkup import sender_addresses
    from newsletter.delivery.outside.sender_dns import look_at_dns

    try:
        own = sender_addresses(workspace.database)
    except NewsletterError:
        own = ()
    return look_at_dns(workspace.settings, from_emails=own)


def _told(line: Health) -> list[str]:
    """Return a line as a person reads it: what is wrong stands apart from what is not known."""
    from newsletter.delivery.outside.dns_health import DnsHealth

    mark, told, why = "ok  " if line.ok else "FAIL", not line.ok, ""
    if isinstance(line, DnsHealth):
        why = line.why
        if not line.looked:
            mark, told = "?   ", True
        elif line.ok and line.fix:
            mark, told = "note", True
    texts = [f"{mark}  {line.name:<18} {line.detail}"]
    if told and why:
        texts.append(f"      why: {why}")
    if told and line.fix:
        texts.append(f"      fix: {line.fix}")
    return texts


def _document(line: Health) -> dict[str, Any]:
    """Return a line for programs; `looked` is false where nothing could be found out."""
    return {"looked": True, "why": "", **asdict(line)}
