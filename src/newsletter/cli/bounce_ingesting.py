"""`newsletter bounces ingest`: mail that came back becomes events, and what follows is done."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli.alerts import telling_alerts
from newsletter.cli.options import Json

if TYPE_CHECKING:
    from newsletter.cli.workspace import Workspace
    from newsletter.feedback.applying import Applied
    from newsletter.feedback.ingesting import Intake, Taken, Tally
    from newsletter.feedback.maildirs import Unread

STANDARD_INPUT = "-"

Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="PATH…", help="A file with one mail, an mbox, a Maildir, or - for standard input."
    ),
]
BelieveWord = Annotated[
    str | None,
    typer.Option(
        "--believe",
        metavar="proven|named|address",
        help="In place of feedback.believe, for mail that you looked at yourself.",
    ),
]


def ingest(
    context: typer.Context, sources: Sources, believe: BelieveWord = None, as_json: Json = False
) -> None:
    """Read mail that came back, store what it says, and do what follows; safe to repeat.

    Nothing is deleted. In a Maildir, mail that was understood is marked seen and the other flagged.
    What proves nothing is kept in feedback.kept_mail: see 'newsletter bounces list'. From standard
    input, as of a pipe of Postfix, the exit code is 75 when the mail should be offered again.
    """
    if STANDARD_INPUT in sources:
        _ingest_piped(context.obj, sources, believe, as_json=as_json)
    else:
        _ingest(context.obj, sources, believe, as_json=as_json)


def _ingest_piped(
    workspace: Workspace, sources: list[str], believe: str | None, *, as_json: bool
) -> None:
    """Turn whatever goes wrong into "try again": any other code makes Postfix return the mail."""
    from newsletter.errors import NewsletterError, TryAgainLater, UsageError
    from newsletter.logs import place_of

    if sources != [STANDARD_INPUT]:
        raise UsageError("- stands alone", fix="read the other mail with another call")
    try:
        _ingest(workspace, sources, believe, as_json=as_json)
    except NewsletterError as error:
        raise TryAgainLater(error.problem, where=error.where, fix=error.fix) from error
    except (Exception, KeyboardInterrupt) as error:
        raise TryAgainLater(
            f"the mail was not taken: {type(error).__name__} at "
            f"{place_of(error) if isinstance(error, Exception) else 'the keyboard'}",
            fix="it stays in the queue; look at the program's installation",
        ) from error


def _ingest(
    workspace: Workspace, sources: list[str], believe: str | None, *, as_json: bool
) -> None:
    from newsletter.cli.console import Progress, say
    from newsletter.errors import NewsletterError
    from newsletter.feedback.ingesting import Intake, Tally
    from newsletter.feedback.kept_mail import forget_kept_mail
    from newsletter.feedback.maildirs import Unread

    settings = workspace.settings
    intake = Intake(
        workspace.database,
        workspace.keys,
        workspace.signer,
        settings,
        workspace.clock,
        believe=_believe(believe),
    )
    tally, unread = Tally(), 0
    with Progress("reading mail") as progress:
        for source in sources:
            for one in _taken(intake, source):
                if isinstance(one, Unread):
                    unread += 1
                    say(f"error: {one.path}: cannot be read: {one.problem}")
                else:
                    tally.add(one)
                    progress.show(tally.mails, None)
    with telling_alerts(workspace):
        applied = workspace.applier.apply_waiting()
    folder = settings.path(settings.feedback.kept_mail)
    forget_kept_mail(folder, workspace.clock.now() - settings.feedback.keep_mail_for)
    _tell(tally, folder, applied, as_json=as_json)
    if unread:
        raise NewsletterError(
            f"{unread} sources could not be read",
            fix="check their names and permissions; the others are done",
        )


def _taken(intake: Intake, source: str) -> Iterator[Taken | Unread]:
    """Take the mail of one source, whatever it is."""
    from newsletter.feedback.ingesting import LONGEST_READ, take_file
    from newsletter.feedback.maildirs import Maildir, Unread, take_maildir
    from newsletter.feedback.mbox_files import is_mbox, take_mbox

    if source == STANDARD_INPUT:
        data = _standard_input(LONGEST_READ)
        if data.strip():
            yield intake.take(data, "pipe")
        return
    path = Path(source)
    try:
        if Maildir.is_one(path):
            yield from take_maildir(intake, Maildir(path))
        elif path.is_dir():
            yield Unread(path, "a folder, but no Maildir: new/ and cur/ are missing")
        elif is_mbox(path):
            yield from take_mbox(intake, path)
        else:
            yield take_file(intake, path)
    except OSError as error:
        yield Unread(path, error.strerror or str(error))


def _standard_input(longest: int) -> bytes:
    """Read a mail, and the rest of it into nothing: whoever writes it must not fail."""
    data = sys.stdin.buffer.read(longest)
    while sys.stdin.buffer.read(1 << 20):
        pass
    return data


def _believe(word: str | None) -> Any:
    from newsletter.errors import UsageError
    from newsletter.settings.feedback_parts import Believe

    if word is None:
        return None
    try:
        return Believe(word)
    except ValueError:
        raise UsageError(
            f"unknown --believe '{word}'", fix="use proven, named or address"
        ) from None


def _tell(tally: Tally, folder: Path, applied: Applied, *, as_json: bool) -> None:
    from dataclasses import asdict

    from newsletter.cli.console import answer, answer_json

    if as_json:
        counted = {**asdict(tally), "kinds": dict(tally.kinds)}
        answer_json({**counted, "applied": applied.document()})
        return
    kinds = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in _by_count(tally))
    answer(f"{tally.mails} mails read" + (f": {kinds}" if kinds else ""))
    answer(f"  {tally.new} new events, {tally.known} known before")
    followed = {
        "deliveries moved": applied.moved,
        "addresses suppressed": applied.suppressed,
        "memberships ended": applied.left,
        "memberships paused": applied.paused,
    }
    for what, count in followed.items():
        if count:
            answer(f"  {count} {what}")
    if tally.turned:
        answer(f"  {tally.turned} that were not believed before are now")
    if tally.unmatched:
        answer(f"  {tally.unmatched} are about nobody of ours")
    if tally.kept:
        answer(f"  {tally.kept} kept for you in {folder}: see 'newsletter bounces list'")


def _by_count(tally: Tally) -> list[tuple[str, int]]:
    return tally.kinds.most_common()
