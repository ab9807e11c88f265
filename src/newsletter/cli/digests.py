"""`newsletter check` and `newsletter render`: look at a digest before anybody gets it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.options import DigestReference, Json, OptionalListName
from newsletter.cli.workspace import Workspace
from newsletter.errors import EXIT_REFUSED

if TYPE_CHECKING:
    from datetime import datetime

    from newsletter.delivery.preparing import Prepared


def check(
    context: typer.Context,
    digest: DigestReference,
    list_name: OptionalListName = None,
    as_json: Json = False,
) -> None:
    """Check a digest: findings with line numbers and fixes; exit code 1 when one is an error."""
    from newsletter.cli.console import answer, answer_findings, answer_json, finding_json

    workspace: Workspace = context.obj
    prepared = workspace.prepare(digest, list_name)
    size = len(prepared.content.html.encode()) if prepared.content else None
    if as_json:
        answer_json(
            {
                "digest": prepared.digest.slug,
                "path": str(prepared.path),
                "title": prepared.title,
                "date": prepared.digest.byline.day,
                "stories": len(prepared.digest.stories),
                "sources": len(prepared.digest.sources),
                "html_bytes": size,
                "errors": prepared.errors,
                "warnings": prepared.warnings,
                "findings": [finding_json(finding) for finding in prepared.findings],
            }
        )
    else:
        answer_findings(prepared.path, prepared.findings)
        answer(
            f"{prepared.path}: {_count(len(prepared.digest.stories), 'story', 'stories')}, "
            f"{_count(len(prepared.digest.sources), 'source')}, "
            + (f"{size:,} bytes of HTML, " if size is not None else "")
            + f"{_count(prepared.errors, 'error')}, {_count(prepared.warnings, 'warning')}"
        )
    if prepared.errors:
        raise typer.Exit(EXIT_REFUSED)


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def render(
    context: typer.Context,
    digest: DigestReference,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for message.html, .txt and .eml.")
    ] = Path("rendered"),
    list_name: OptionalListName = None,
    name: Annotated[str, typer.Option(help="Name of the reader it is merged for.")] = "",
    as_json: Json = False,
) -> None:
    """Render a digest as one reader would get it: message.html, message.txt, message.eml."""
    from newsletter.cli.console import answer, answer_findings, answer_json, say

    workspace: Workspace = context.obj
    prepared = workspace.prepare(digest, list_name)
    if prepared.content is None:
        answer_findings(prepared.path, prepared.findings)
        raise typer.Exit(EXIT_REFUSED)
    files = write_proof(prepared, out, name=name, at=workspace.clock.now())
    if prepared.errors:
        say(f"{prepared.errors} errors keep it from being sent: newsletter check {digest}")
    if as_json:
        answer_json({"files": files, "folder": str(out)})
    else:
        for file_name, size in files.items():
            answer(f"{out / file_name}  {size:,} bytes")


def write_proof(prepared: Prepared, out: Path, *, name: str, at: datetime) -> dict[str, int]:
    """Write one reader's message into a folder; returns the size of each file in bytes."""
    from newsletter.delivery.proofs import render_proof
    from newsletter.errors import NewsletterError, Place

    proof = render_proof(prepared, name=name, at=at)
    files = {
        "message.html": proof.html.encode(),
        "message.txt": proof.text.encode(),
        "message.eml": proof.message,
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for file_name, data in files.items():
            (out / file_name).write_bytes(data)
    except OSError as error:
        raise NewsletterError(
            f"cannot write there: {error.strerror}", where=Place(out), fix="name another --out"
        ) from None
    return {file_name: len(data) for file_name, data in files.items()}
