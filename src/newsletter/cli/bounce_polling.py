"""`newsletter bounces poll`: the mailbox that gets bounces is read, once or on and on.

`serve` runs the same with `bounces_polled`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli.options import Json
from newsletter.cli.signals import stopped_by_signals
from newsletter.errors import EXIT_TRY_AGAIN

if TYPE_CHECKING:
    from newsletter.cli.workspace import Workspace
    from newsletter.feedback.applying import Applied
    from newsletter.feedback.imap_mailbox import Take
    from newsletter.feedback.ingesting import Intake, Tally
    from newsletter.feedback.polling import Mailbox, Poller, Round

Follow = Annotated[
    bool,
    typer.Option(
        "--follow/--once", help="Go on until Ctrl-C, as 'serve' does; or read what is there."
    ),
]


def poll(context: typer.Context, follow: Follow = False, as_json: Json = False) -> None:
    """Read the bounce mailbox (feedback.mailbox), store what it says, and do what follows.

    Over IMAP, mail that was understood is moved to feedback.imap.handled and the other to
    feedback.imap.unclear; in a Maildir it is marked seen or flagged. Nothing is deleted. The exit
    code is 75 when the server is away, 3 when it refuses us.
    """
    from newsletter.cli.console import say
    from newsletter.feedback.polling import Poller

    workspace: Workspace = context.obj
    stop = threading.Event()
    desk = _Desk(workspace, stop)
    with stopped_by_signals(stop):
        try:
            desk.read_what_is_there()
            if follow:
                say("following the mailbox; Ctrl-C stops")
                Poller(
                    desk.mailbox,
                    interval=workspace.settings.feedback.interval,
                    apply=desk.apply,
                    on_trouble=lambda words: say(f"error: {words}"),
                    stop=stop,
                    on_round=desk.add,
                ).run()
        finally:
            desk.mailbox.close()
    desk.tell(as_json=as_json)
    if stop.is_set() and not follow:
        raise typer.Exit(EXIT_TRY_AGAIN)


@contextmanager
def bounces_polled(
    workspace: Workspace, on_trouble: Callable[[str], None]
) -> Iterator[Poller | None]:
    """Read the mailbox in the background until the block ends; None where none is set.

    `on_trouble` gets the words for the first failure of a series. Settings that cannot work are a
    `ConfigurationError` at once.
    """
    from newsletter.feedback.polling import Poller
    from newsletter.settings.feedback_parts import MailboxKind

    if workspace.settings.feedback.mailbox is MailboxKind.NONE:
        yield None
        return
    stop = threading.Event()
    desk = _Desk(workspace, stop)
    with Poller(
        desk.mailbox,
        interval=workspace.settings.feedback.interval,
        apply=desk.apply,
        on_trouble=on_trouble,
        stop=stop,
    ) as poller:
        yield poller


class _Desk:
    """The mailbox of a workspace, and what was counted while it was read."""

    def __init__(self, workspace: Workspace, stop: threading.Event) -> None:
        from newsletter.feedback.applying import Applied
        from newsletter.feedback.ingesting import Intake, Tally
        from newsletter.feedback.polling import Round

        self._workspace = workspace
        self._stop = stop
        self._began = time.monotonic()
        self._tally: Tally = Tally()
        self._rounds: Round = Round()
        self._applied: Applied = Applied()
        # What is missing or wrong in the settings is told before the database is opened.
        self._make = _mailbox_of(workspace)
        settings = workspace.settings
        intake = Intake(
            workspace.database, workspace.keys, workspace.signer, settings, workspace.clock
        )
        self.mailbox: Mailbox = self._make(intake, self._tally, stop)

    def read_what_is_there(self) -> None:
        """Do rounds until nothing is left; what was stored is applied, whatever happens."""
        from newsletter.errors import NewsletterError

        try:
            while True:
                done = self.mailbox.round()
                self.add(done)
                if not done.more or self._stop.is_set():
                    break
        except NewsletterError:
            with suppress(NewsletterError):
                self.apply()
            raise
        self.apply()

    def add(self, done: Round) -> None:
        """Count a round, and tell of it where it found something."""
        from newsletter.cli.console import say
        from newsletter.feedback.polling import Round

        before = self._rounds
        self._rounds = Round(
            fetched=before.fetched + done.fetched,
            handled=before.handled + done.handled,
            unclear=before.unclear + done.unclear,
        )
        if done.fetched:
            say(f"{done.fetched} mails read: {done.handled} handled, {done.unclear} left for you")

    def apply(self) -> None:
        """Do what follows from what was stored, and forget what was kept for long enough."""
        from newsletter.feedback.kept_mail import forget_kept_mail

        workspace = self._workspace
        settings = workspace.settings
        _sum_up(self._applied, workspace.applier.apply_waiting())
        oldest = workspace.clock.now() - settings.feedback.keep_mail_for
        forget_kept_mail(settings.path(settings.feedback.kept_mail), oldest)

    def tell(self, *, as_json: bool) -> None:
        """Print what was read and what followed."""
        from newsletter.cli.console import answer, answer_json

        read, applied = self._rounds, self._applied
        document: dict[str, Any] = {
            "fetched": read.fetched,
            "handled": read.handled,
            "unclear": read.unclear,
            "events": self._tally.new,
            "known": self._tally.known,
            "seconds": round(time.monotonic() - self._began, 2),
            "applied": applied.document(),
        }
        if as_json:
            answer_json(document)
            return
        answer(
            f"{read.fetched} mails fetched, {read.handled} handled, {read.unclear} unclear, "
            f"{self._tally.new} new events, {document['seconds']} s"
        )
        followed = {
            "deliveries moved": applied.moved,
            "addresses suppressed": applied.suppressed,
            "memberships ended": applied.left,
            "memberships paused": applied.paused,
        }
        for what, count in followed.items():
            if count:
                answer(f"  {count} {what}")
        if self._tally.kept:
            answer(f"  {self._tally.kept} kept for you: see 'newsletter bounces list'")


def _mailbox_of(
    workspace: Workspace,
) -> Callable[[Intake, Tally, threading.Event], Mailbox]:
    """Return what builds the mailbox that the settings name; raises `ConfigurationError`."""
    from newsletter.errors import ConfigurationError, Place
    from newsletter.feedback.imap_mailbox import ImapMailbox
    from newsletter.feedback.imap_session import imap_account
    from newsletter.feedback.polling import LookedAt
    from newsletter.settings.feedback_parts import MailboxKind

    settings = workspace.settings
    kind = settings.feedback.mailbox
    if kind is MailboxKind.NONE:
        raise ConfigurationError(
            "no bounce mailbox is set, so there is nothing to read",
            where=Place(settings.file),
            fix='set feedback.mailbox to "imap" (and [feedback.imap]) or "maildir"',
        )
    if kind is MailboxKind.IMAP:
        account = imap_account(settings)
        return lambda intake, tally, stop: ImapMailbox(account, _take(intake, tally), stop)
    return lambda intake, tally, stop: LookedAt(lambda: _look(workspace, intake, tally, stop), stop)


def _take(intake: Intake, tally: Tally) -> Take:
    def take(data: bytes) -> bool:
        taken = intake.take(data, "imap")
        tally.add(taken)
        return taken.handled

    return take


def _look(workspace: Workspace, intake: Intake, tally: Tally, stop: threading.Event) -> Round:
    """Read the Maildir once; a mail that cannot be read stays, and is told to the log."""
    from newsletter.feedback.maildirs import Maildir, Unread, take_maildir
    from newsletter.feedback.polling import Round
    from newsletter.logs import get_logger

    settings = workspace.settings
    fetched = handled = 0
    for one in take_maildir(intake, Maildir(settings.path(settings.feedback.maildir))):
        if isinstance(one, Unread):
            get_logger("feedback").warning("mail_not_read", problem=one.problem)
            continue
        tally.add(one)
        fetched += 1
        handled += one.handled
        if stop.is_set():
            break
    return Round(fetched=fetched, handled=handled, unclear=fetched - handled)


def _sum_up(total: Applied, more: Applied) -> None:
    """Add the counts of one application to those before."""
    from dataclasses import fields

    for field in fields(total):
        setattr(total, field.name, getattr(total, field.name) + getattr(more, field.name))
