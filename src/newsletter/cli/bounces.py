"""`newsletter bounces`: what mail that came back says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.bounce_classes import classes
from newsletter.cli.bounce_ingesting import ingest
from newsletter.cli.bounce_listing import list_
from newsletter.cli.bounce_polling import poll
from newsletter.cli.options import Json
from newsletter.cli.workspace import Workspace

if TYPE_CHECKING:
    from newsletter.feedback.report_model import Report

app = typer.Typer(help="Mail that came back: bounces, complaints, automatic replies.")

app.command()(ingest)
app.command()(poll)
app.command("list")(list_)
app.command()(classes)

Files = Annotated[
    list[Path], typer.Argument(metavar="FILE…", help="Mails as they came, one in each file.")
]


@app.callback()
def group() -> None:
    """Read mail that came back: bounces, complaints, automatic replies."""


@app.command()
def parse(context: typer.Context, files: Files, as_json: Json = False) -> None:
    """Print the verdict on each file, in their order; nothing is stored or changed."""
    import json

    from newsletter.cli.console import answer, say
    from newsletter.errors import NewsletterError
    from newsletter.feedback.bounces import parse_bounce

    workspace: Workspace = context.obj
    table = workspace.bounce_table
    unread = 0
    for path in files:
        try:
            report = parse_bounce(_read(path), table)
        except OSError as error:
            unread += 1
            say(f"error: {path}: cannot be read: {error.strerror or error}")
            continue
        if as_json:
            answer(json.dumps(report.document(), ensure_ascii=False))
        else:
            _tell(path, report)
    if unread:
        raise NewsletterError(
            f"{unread} of {len(files)} files could not be read",
            fix="check their names and permissions; the others are done",
        )


def _read(path: Path) -> bytes:
    """Read the part of a mail that is looked at, and one byte more to know that it is longer."""
    from newsletter.feedback.reading import LONGEST_MAIL

    with path.open("rb") as file:
        return file.read(LONGEST_MAIL + 1)


def _tell(path: Path, report: Report) -> None:
    from newsletter.cli.console import answer
    from newsletter.feedback.report_text import one_line

    answer(f"{path}: {report.kind} ({report.reason}), by {', '.join(report.evidence)}")
    for one in report.recipients:
        status = " ".join(part for part in (str(one.kind), one.status) if part)
        words = one_line(one.diagnostic)[:300]
        answer(f"    {one.address or 'nobody named'}: {status} {words}".rstrip())
    for name in report.identifiers.messages:
        answer(f"    about delivery {name.campaign}-{name.subscriber} (not proven)")
