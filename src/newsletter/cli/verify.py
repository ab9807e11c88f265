"""`newsletter verify`: whether what must always hold does, on the live database."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.options import Json
from newsletter.cli.workspace import Workspace
from newsletter.errors import EXIT_REFUSED

if TYPE_CHECKING:
    from newsletter.delivery.invariants import Verdict


def verify(
    context: typer.Context,
    campaign: Annotated[
        int | None, typer.Option("--campaign", metavar="ID", help="Look at this campaign only.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check the invariants I1 to I8 on the live database; change nothing, send nothing.

    Safe while a campaign is being sent. Exit code 1 when one does not hold.
    """
    from newsletter.cli.console import answer_json
    from newsletter.delivery.invariants import verify_invariants

    workspace: Workspace = context.obj
    found = verify_invariants(
        workspace.database, workspace.keys, workspace.clock.now(), campaign=campaign
    )
    holds = all(verdict.ok for verdict in found)
    if as_json:
        answer_json({"ok": holds, "invariants": [{"ok": v.ok, **asdict(v)} for v in found]})
    else:
        for verdict in found:
            _tell(verdict)
    if not holds:
        raise typer.Exit(EXIT_REFUSED)


def _tell(verdict: Verdict) -> None:
    from newsletter.cli.console import answer

    line = f"{'ok  ' if verdict.ok else 'FAIL'}  {verdict.name}  {verdict.says}"
    if not verdict.ok:
        count = f"{verdict.violations} violation{'s' * (verdict.violations > 1)}"
        more = ", …" if verdict.violations > len(verdict.examples) else ""
        line = f"{line}: {count}: {', '.join(verdict.examples)}{more}"
    answer(line)
    for note in (verdict.note or "").splitlines():
        answer(f"          {note}")
