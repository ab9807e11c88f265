"""Turns mail that came back into events: parsed, matched, stored durably, or kept aside (D8, D9).

Where the mail comes from is the matter of `maildirs`, `mbox_files` and whoever else fetches it;
nothing follows here, the applier acts on what is stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection

from newsletter.audience.keys import Keys
from newsletter.audience.tokens import TokenSigner
from newsletter.clock import Clock
from newsletter.delivery.bounce_classes import bounce_table
from newsletter.delivery.faults import Faults, Thing
from newsletter.errors import NewsletterError
from newsletter.feedback.bounces import parse_bounce
from newsletter.feedback.events import Arrival, EventKind, known_ids, store_events
from newsletter.feedback.kept_mail import fingerprint, keep_mail
from newsletter.feedback.mail_events import MailEvent, events_of
from newsletter.feedback.matching import ENOUGH, Matcher
from newsletter.feedback.reading import LONGEST_MAIL
from newsletter.feedback.report_model import Reason, Report, ReportKind
from newsletter.feedback.unbelieved import believe_after_all
from newsletter.settings import Settings
from newsletter.settings.feedback_parts import Believe
from newsletter.storage.database import Database

LONGEST_READ = LONGEST_MAIL + 1
"""Bytes of a mail that are worth fetching: what is looked at, and one to know that it is longer."""
BATCH = 50
"""Mails that share a transaction."""
_LONG_AGO = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one mail.

    `handled` is False for what an operator should look at; a copy of it is `kept` under that file
    name. `new` and `known` count its events; `turned` those that were not believed before and are
    now. `matched` says that it is proven, named or addressed as somebody's of ours.
    """

    kind: ReportKind
    handled: bool
    new: int = 0
    known: int = 0
    turned: int = 0
    matched: bool = False
    kept: str = ""


@dataclass(slots=True)
class Tally:
    """Counts over many mails, for people."""

    mails: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    handled: int = 0
    kept: int = 0
    unmatched: int = 0
    new: int = 0
    known: int = 0
    turned: int = 0

    def add(self, taken: Taken) -> None:
        """Count one mail; what tells of nothing that was sent needs no match."""
        self.mails += 1
        self.kinds[taken.kind.value] += 1
        self.handled += taken.handled
        self.kept += bool(taken.kept)
        self.unmatched += not taken.matched and taken.kind is not ReportKind.NOT_A_BOUNCE
        self.new += taken.new
        self.known += taken.known
        self.turned += taken.turned


@dataclass(frozen=True, slots=True)
class _Sorted:
    """One mail between being read and being stored."""

    name: str
    kind: ReportKind
    arrivals: tuple[Arrival, ...]
    matched: bool
    kept: str


class Intake:
    """Takes mails of whatever origin; safe to be told of the same one again.

    `believe` is an operator's word in place of the setting, for mail that they looked at.
    """

    def __init__(
        self,
        database: Database,
        keys: Keys,
        signer: TokenSigner,
        settings: Settings,
        clock: Clock,
        *,
        believe: Believe | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._faults = Faults(database, clock)
        self._matcher = Matcher(keys, signer)
        self._table = bounce_table(settings.feedback.rules)
        self._enough = ENOUGH[believe or settings.feedback.believe]
        self._folder: Path = settings.path(settings.feedback.kept_mail)

    def take(self, data: bytes, source: str) -> Taken:
        """Take one mail; its events, or its copy, are on disk on return.

        `source` says for people where it came from, such as `maildir`.
        """
        return self.take_all([data], source)[0]

    def take_all(self, mails: Sequence[bytes], source: str) -> list[Taken]:
        """Take several mails in one transaction: all are on disk on return, or none is."""
        now = self._clock.now()
        sorted_mails = [self._sort_or_keep(data[:LONGEST_READ], source, now) for data in mails]
        return self._store(sorted_mails, now)

    def _sort_or_keep(self, data: bytes, source: str, now: datetime) -> _Sorted:
        """Sort one mail; one at which the program fails is kept for people, and told of."""
        try:
            return self._sort(data, parse_bounce(data, self._table), source, now)
        except NewsletterError:
            raise
        except Exception as error:  # noqa: BLE001 - the other mails go on
            name = fingerprint(data)
            self._faults.hold(Thing("mail", name[:12], f"a mail that came back ({source})"), error)
            kept = keep_mail(self._folder, name, data)
            return _Sorted(name, ReportKind.NOT_A_BOUNCE, (), matched=False, kept=kept)

    def _sort(self, data: bytes, report: Report, source: str, now: datetime) -> _Sorted:
        with self._database.read() as connection:
            wish = self._matcher.match_wish(connection, report.subject_token)
            matches = (wish,) if wish else self._matcher.match(connection, report, now)
        name = fingerprint(data)
        drafts = events_of(report, matches, wish=wish is not None)
        believed = [draft.match.proof >= self._enough for draft in drafts]
        aside = wish is None and _is_for_people(report, all(believed) and bool(drafts))
        kept = keep_mail(self._folder, name, data) if aside else ""
        arrivals = tuple(
            draft.arrival(
                f"mail:{name}:{number}",
                at=_when(draft, report.written_at, now),
                believed=enough,
                detail={"source": source, **({"kept": kept} if kept else {})},
            )
            for number, (draft, enough) in enumerate(zip(drafts, believed, strict=True))
            # Nothing ever follows from them: whoever they name needs no row.
            if enough or kept
        )
        matched = any(match.proof for match in matches)
        kind = ReportKind.COMPLAINT if wish else report.kind
        return _Sorted(name, kind, arrivals, matched, kept)

    def _store(self, mails: Sequence[_Sorted], now: datetime) -> list[Taken]:
        # Two that store the same mails must store them in one order, or they lock each other.
        order = sorted(range(len(mails)), key=lambda number: mails[number].name)
        stored: dict[int, Taken] = {}
        with self._database.write() as connection:
            for number in order:
                stored[number] = self._store_one(connection, mails[number], now)
        return [stored[number] for number in range(len(mails))]

    @staticmethod
    def _store_one(connection: Connection, mail: _Sorted, now: datetime) -> Taken:
        ids = [arrival.id for arrival in mail.arrivals]
        known = known_ids(connection, ids) if ids else frozenset()
        turned = believe_after_all(
            connection, [one for one in mail.arrivals if one.believed and one.id in known]
        )
        store_events(connection, [one for one in mail.arrivals if one.id not in known], now)
        return Taken(
            kind=mail.kind,
            handled=not mail.kept,
            new=len(ids) - len(known),
            known=len(known) - turned,
            turned=turned,
            matched=mail.matched,
            kept=mail.kept,
        )


def take_file(intake: Intake, path: Path) -> Taken:
    """Take the one mail of a file; raises `OSError` where that cannot be read."""
    with path.open("rb") as file:
        data = file.read(LONGEST_READ)
    return intake.take(data, "file")


def _is_for_people(report: Report, believed: bool) -> bool:
    """Return whether a mail is kept aside: not understood, or a failure that nothing follows from.

    Reports of failed authentication and statistics concern nobody of ours.
    """
    if report.reason is Reason.ORDINARY:
        return True
    if report.kind is ReportKind.COMPLAINT:
        return not believed and report.reason is not Reason.AUTHENTICATION_FAILURE
    return report.kind in (ReportKind.HARD, ReportKind.SOFT) and not believed


def _when(draft: MailEvent, written_at: datetime | None, now: datetime) -> datetime:
    """Return when it happened: the mail's own date, where that lies between sending and now.

    A wish to leave counts from now: a clock that is slow must not put it before the consent.
    """
    earliest = draft.match.sent_at or now - _LONG_AGO
    if draft.kind is EventKind.UNSUBSCRIBED or written_at is None:
        return now
    return written_at if earliest <= written_at <= now else now
