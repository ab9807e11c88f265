"""`newsletter doctor`: what would go wrong tomorrow, told today."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import typer

from newsletter.cli.options import Json
from newsletter.cli.workspace import Workspace
from newsletter.errors import EXIT_REFUSED, NewsletterError


def doctor(context: typer.Context, as_json: Json = False) -> None:
    """Look at settings, keys, database, templates, provider and clock; send nothing."""
    from newsletter.cli.console import answer, answer_json
    from newsletter.delivery import checkup
    from newsletter.providers.base import Health

    workspace: Workspace = context.obj
    settings = workspace.settings
    lines = [*checkup.look_at_settings(settings), *checkup.look_at_clock(workspace.clock.now())]
    looks: dict[str, Callable[[], list[Health]]] = {
        "keys": lambda: [Health("keys", bool(workspace.keys), "readable by you alone")],
        "database": lambda: checkup.look_at_database(workspace.database, workspace.clock.now()),
        "templates": lambda: checkup.look_at_templates(settings),
        "provider": lambda: workspace.provider.health(),  # noqa: PLW0108 - built only when asked
    }
    for name, look in looks.items():
        try:
            lines += look()
        except NewsletterError as error:
            lines.append(Health(name, ok=False, detail=str(error), fix=error.fix))
    healthy = all(line.ok for line in lines)
    if as_json:
        answer_json({"healthy": healthy, "checks": [asdict(line) for line in lines]})
    else:
        for line in lines:
            answer(f"{'ok  ' if line.ok else 'FAIL'}  {line.name:<18} {line.detail}")
            if line.fix and not line.ok:
                answer(f"      fix: {line.fix}")
    if not healthy:
        raise typer.Exit(EXIT_REFUSED)
