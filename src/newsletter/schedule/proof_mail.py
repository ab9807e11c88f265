"""What operators are asked about an edition that waits for their yes: whom, when, what (H7).

The question is an alert, so that it reaches them by every way, once, however often a process dies;
`operator_mail` puts the digest under it. Who decides what follows is `editions`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, select

from newsletter.audience.eligibility import count_selected, freeze_selection
from newsletter.audience.lists import MailingList, get_list
from newsletter.audience.segments import named_filter
from newsletter.audience.tokens import Purpose, TokenClaims, TokenSigner
from newsletter.clock import Clock, zone_of
from newsletter.delivery.alerts import Alert, AlertKind, raise_alert
from newsletter.delivery.faults import Faults, Thing
from newsletter.delivery.preflight import prepare_for_list
from newsletter.delivery.preparing import Prepared
from newsletter.digest.library import find_digest
from newsletter.digest.model import Finding
from newsletter.errors import AudienceError, NewsletterError, StorageError, TryAgainLater
from newsletter.logs import get_logger
from newsletter.rendering.alerts import COMMAND_INDENT
from newsletter.rendering.theme import format_date
from newsletter.schedule.editions import get_edition, list_editions
from newsletter.schedule.mistakes import ScheduleError
from newsletter.schedule.model import Edition, EditionStatus
from newsletter.settings import Settings
from newsletter.storage.database import Database
from newsletter.storage.schedule_tables import schedules
from newsletter.storage.tables import alerts, lists

log = get_logger("schedule")

FINDINGS_TOLD = 10
"""So many findings are named; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Question:
    """An edition as those see it who decide about it.

    `recipients` is who would get it now, None where its segment is gone. `prepared` is the very
    revision that the edition names, None where the digest's file has changed since, or is gone.
    """

    edition: Edition
    list: MailingList
    segment: str | None
    timezone: str
    by_reader: bool
    recipients: int | None
    prepared: Prepared | None

    @property
    def title(self) -> str:
        """What the digest is called."""
        return self.prepared.title if self.prepared else self.edition.digest_slug or "a digest"

    def when(self, at: datetime, language: str = "en") -> str:
        """Return an instant as the schedule's zone writes it."""
        local = at.astimezone(zone_of(self.timezone))
        return f"{format_date(local.date(), language)}, {local:%H:%M} ({self.timezone})"


def revision_number(edition: Edition) -> int:
    """Return the number by which a link knows the revision it was made for; never 0."""
    seed = f"{edition.digest_slug} {edition.content_hash}"
    return int.from_bytes(hashlib.sha256(seed.encode("utf-8", "replace")).digest()[:6]) or 1


def edition_path(signer: TokenSigner, edition: Edition) -> str:
    """Return the path of the page where an edition is decided about."""
    number = revision_number(edition)
    return f"/e/{signer.sign(Purpose.EDITION, edition.id, edition.schedule_id, number)}"


def edition_behind(connection: Connection, claims: TokenClaims) -> Edition | None:
    """Return the edition that a link speaks of, at whatever revision; None: there is none."""
    try:
        edition = get_edition(connection, claims.subscriber)
    except ScheduleError:
        return None
    return edition if edition.schedule_id == claims.list_id else None


def look_at_question(
    connection: Connection, edition: Edition, settings: Settings, now: datetime
) -> Question:
    """Gather what somebody must see to decide about an edition."""
    row = connection.execute(
        select(schedules, lists.c.name.label("list_name"))
        .join(lists, lists.c.id == schedules.c.list_id)
        .where(schedules.c.id == edition.schedule_id)
    ).one()
    mailing_list = get_list(connection, row.list_name)
    among, recipients = None, None
    zone = settings.newsletter.timezone
    # A segment that is gone keeps nobody from seeing the digest and saying no.
    with suppress(AudienceError):
        among = named_filter(connection, row.segment, mailing_list, now, default_zone=zone)
        recipients = count_selected(connection, freeze_selection(mailing_list.id, now, among))
    return Question(
        edition=edition,
        list=mailing_list,
        segment=row.segment,
        timezone=row.timezone,
        by_reader=row.by_reader,
        recipients=recipients,
        prepared=_prepared(connection, edition, mailing_list, settings, among),
    )


def asking(question: Question, *, url: str, mailed: bool) -> Alert:
    """Return the alert that asks; `url` is the page of the answer, a paragraph of its own in it.

    `mailed`: whether anybody gets it by mail; else the command line is named first.
    """
    edition = question.edition
    commands = "\n".join(
        COMMAND_INDENT + decision_command(word, edition) for word in ("approve", "cancel")
    )
    page = ["To decide, look at this page. Opening it changes nothing.", url]
    typed = ["The same on the command line:", commands]
    paragraphs = [
        f"'{question.title}' waits for your yes. Without it nothing is sent, and after "
        f"{question.when(edition.deadline_at)} the edition counts as missed.",
        f"To: {audience_words(question)}.",
        f"When: {_when_words(question)}.",
        *_finding_words(question),
        *([*page, *typed] if mailed else [*typed, *page]),
    ]
    local = edition.due_at.astimezone(zone_of(question.timezone))
    return Alert(
        AlertKind.EDITION_ASKED,
        key=ask_key(edition),
        subject=f"To approve: {question.title} to {question.list.title}, {local:%d %b %H:%M}",
        body="\n\n".join(paragraphs) + "\n",
        edition=edition.id,
    )


def audience_words(question: Question) -> str:
    """Say who gets it, in a few words."""
    if question.recipients is None:
        return f"nobody: segment '{question.segment}' of '{question.list.name}' is gone"
    readers = "reader" if question.recipients == 1 else "readers"
    part = f", those in segment '{question.segment}'" if question.segment else ""
    return f"{question.recipients:,} {readers} of {question.list.title}{part}"


def decision_command(word: str, edition: Edition) -> str:
    """Return what an operator types: `approve`, `cancel` or `run-now` as the word."""
    return f"newsletter schedule {word} {edition.schedule} {edition.day.isoformat()}"


def ask_key(edition: Edition) -> str:
    """Name the question about one revision of one edition, each time it is put."""
    asked_at = edition.asked_at.isoformat() if edition.asked_at else "never"
    return f"edition {edition.id} asked {revision_number(edition):012x} {asked_at}"


class Asker:
    """Puts editions that wait for a yes before the operators, each revision once.

    `wake` is called once there is something to tell.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        signer: TokenSigner,
        clock: Clock,
        *,
        wake: Callable[[], None],
    ) -> None:
        self._database = database
        self._settings = settings
        self._signer = signer
        self._clock = clock
        self._wake = wake
        self._faults = Faults(database, clock)

    def send_proof(self, edition: Edition) -> bool:
        """Ask about one edition; returns False where that was done before.

        Called behind the commit that held it; `look` asks about those that were forgotten between.
        """
        now, settings = self._clock.now(), self._settings
        with self._database.read() as connection:
            question = look_at_question(connection, edition, settings, now)
        url = settings.newsletter.base_url + edition_path(self._signer, edition)
        alert = asking(question, url=url, mailed=bool(settings.alerts.mail_to))
        with self._database.write() as connection:
            asked = raise_alert(connection, alert, now)
        if asked:
            self._wake()
            if not self._settings.alerts.mail_to:
                command = decision_command("approve", edition)
                log.warning("edition_waits_for_a_yes", edition=edition.id, command=command)
        return asked

    def look(self) -> int:
        """Ask about every edition that waits and was not asked about; returns how many."""
        with self._database.read() as connection:
            held = list_editions(connection, statuses=(EditionStatus.HELD,))
            asked = already_raised(connection, [ask_key(edition) for edition in held])
        return sum(self._ask(one) for one in held if ask_key(one) not in asked)

    def _ask(self, edition: Edition) -> bool:
        """Ask about one edition; what goes wrong with it keeps no other from being asked about."""
        asked = False
        thing = Thing("question", str(edition.id), f"the question about edition {edition.id}")
        if not self._faults.is_held(thing):
            with self._faults.holding(thing):
                try:
                    asked = self.send_proof(edition)
                except (StorageError, TryAgainLater):
                    raise
                except NewsletterError as error:
                    self._faults.tell(thing, error)
        return asked


def already_raised(
    connection: Connection, keys: list[str], *, alert: int | None = None
) -> set[str]:
    """Return those of the keys that an alert was raised with; `alert`: this one alone."""
    found = select(alerts.c.key).where(alerts.c.key.in_(keys))
    if alert is not None:
        found = found.where(alerts.c.id == alert)
    return set(connection.execute(found).scalars())


def _prepared(
    connection: Connection,
    edition: Edition,
    mailing_list: MailingList,
    settings: Settings,
    among: ColumnElement[bool] | None,
) -> Prepared | None:
    if edition.digest_slug is None:
        return None
    try:
        path = find_digest(edition.digest_slug, settings.path(settings.newsletter.digests))
        prepared = prepare_for_list(connection, path, settings, mailing_list, among=among)
    except NewsletterError:
        return None
    same = prepared.digest.content_hash == edition.content_hash
    return prepared if same and prepared.content is not None else None


def _when_words(question: Question) -> str:
    edition = question.edition
    at = question.when(edition.due_at)
    utc = f"{edition.due_at:%d %b %H:%M} UTC"
    if question.by_reader:
        return f"each reader at their own time of day, the first of them at {utc}: {at}"
    return f"{at}, which is {utc}"


def _finding_words(question: Question) -> list[str]:
    if question.prepared is None:
        return ["The digest's file has changed since, so it is not shown here."]
    findings = question.prepared.findings
    if not findings:
        return ["The checks found nothing to say about it."]
    lines = [line for finding in findings[:FINDINGS_TOLD] for line in _told(finding)]
    if (more := len(findings) - FINDINGS_TOLD) > 0:
        lines.append(f"{COMMAND_INDENT}and {more} more")
    return ["What the checks say:", "\n".join(lines)]


def _told(finding: Finding) -> list[str]:
    """Return a finding in up to three lines: where and what, what comes of it, what mends it."""
    place = f"line {finding.line}" if finding.line else finding.place
    told = [f"{place}: {finding.problem}" if place else finding.problem]
    told += [f"  {finding.why}"] if finding.why else []
    return [COMMAND_INDENT + line for line in [*told, f"  fix: {finding.fix}"]]
