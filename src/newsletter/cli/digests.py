"""`newsletter check` and `newsletter render`: look at a digest before anybody gets it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.options import DigestReference, Json, OptionalListName
from newsletter.cli.workspace import Workspace
from newsletter.errors import EXIT_REFUSED, UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from newsletter.delivery.preparing import Prepared


def check(
    context: typer.Context,
    digest: DigestReference,
    list_name: OptionalListName = None,
    segment: Annotated[
        str | None, typer.Option("--segment", help="Only this segment of the list.")
    ] = None,
    links: Annotated[
        bool, typer.Option("--links", help="Fetch each link: which are dead or lead elsewhere?")
    ] = False,
    spam: Annotated[
        bool, typer.Option("--spam/--no-spam", help="Let SpamAssassin judge the message.")
    ] = False,
    dns: Annotated[
        bool, typer.Option("--dns", help="Look at the sender's SPF, DKIM and DMARC.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check a digest before it is sent: each finding with its place, what comes of it, and a fix.

    With --list, sizes and missing values are those of the list's real readers, with --segment of
    those in it. Exit code 1 when a finding is an error: 'send' and schedules refuse such a digest.
    """
    from newsletter.cli.checking import Asked, answer_check, check_json, look_outside
    from newsletter.cli.console import answer_json

    workspace: Workspace = context.obj
    if segment is not None and list_name is None:
        raise UsageError("a segment is one of a list", fix="name the list too: --list NAME")
    prepared = workspace.prepare(digest, list_name, segment=segment)
    asked = Asked(list_name, segment, links=links, spam=spam, dns=dns)
    prepared, notes = look_outside(prepared, workspace.settings, asked, workspace.clock.now())
    if as_json:
        answer_json(check_json(prepared, asked, notes))
    else:
        answer_check(prepared, asked, notes)
    if prepared.errors:
        raise typer.Exit(EXIT_REFUSED)


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
    from newsletter.cli.console import answer, answer_findings, answer_json, say, say_findings

    workspace: Workspace = context.obj
    prepared = workspace.prepare(digest, list_name)
    if prepared.content is None:
        answer_findings(prepared.path, prepared.findings)
        raise typer.Exit(EXIT_REFUSED)
    files = write_proof(prepared, out, name=name, at=workspace.clock.now())
    say_findings(prepared.path, prepared.findings)
    if prepared.errors:
        say(f"with an error it is not sent: newsletter check {digest}")
    if as_json:
        answer_json({"files": files, "folder": str(out)})
    else:
        for file_name, size in files.items():
            answer(f"{out / file_name}  {size:,} bytes")


def write_proof(prepared: Prepared, out: Path, *, name: str, at: datetime) -> dict[str, int]:
    """Write one reader's message into a folder; returns the size of each file in bytes."""
    from newsletter.delivery.proofs import render_proof
    from newsletter.errors import NewsletterError, Place
    from newsletter.private_files import make_private_folder, write_private

    proof = render_proof(prepared, name=name, at=at)
    files = {
        "message.html": proof.html.encode(),
        "message.txt": proof.text.encode(),
        "message.eml": proof.message,
    }
    try:
        make_private_folder(out)
        for file_name, data in files.items():
            write_private(out / file_name, data)
    except OSError as error:
        raise NewsletterError(
            f"cannot write there: {error.strerror}", where=Place(out), fix="name another --out"
        ) from None
    return {file_name: len(data) for file_name, data in files.items()}
