"""What operators get by mail, beyond an alert's words, and the rounds in which it is raised.

`OperatorMails` is asked by the post of alerts what a mail shows; `OperatorRounds` asks about
editions that wait and tells the daily summary, in the background of `serve`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from newsletter.audience.tokens import TokenSigner
from newsletter.clock import Clock
from newsletter.delivery.alert_ways import Notice
from newsletter.delivery.alerts import AlertKind
from newsletter.delivery.faults import Faults, Thing
from newsletter.delivery.preparing import Prepared
from newsletter.delivery.proofs import render_proof
from newsletter.delivery.rounds import LOOK_SECONDS, Rounds
from newsletter.errors import NewsletterError
from newsletter.logs import get_logger, trace_of
from newsletter.rendering.content import EmailContent
from newsletter.rendering.merge import Merged
from newsletter.rendering.operator_mails import render_question, render_summary
from newsletter.schedule.editions import get_edition
from newsletter.schedule.proof_mail import (
    Asker,
    already_raised,
    ask_key,
    asking,
    edition_path,
    look_at_question,
)
from newsletter.schedule.summary_telling import SummaryTeller
from newsletter.settings import Settings
from newsletter.storage.database import Database

log = get_logger("schedule")


class OperatorMails:
    """Renders the mails of some kinds of alerts.

    `signer` is asked for when it is needed: other alerts must go out also where keys are missing.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        signer: Callable[[], TokenSigner],
        clock: Clock,
    ) -> None:
        self._database = database
        self._settings = settings
        self._signer = signer
        self._clock = clock

    def content_of(self, notice: Notice) -> EmailContent | None:
        """Return what a mail about an alert shows; None: its words alone.

        Whatever goes wrong, the words alone are better than no mail.
        """
        try:
            return self._content_of(notice)
        except NewsletterError as error:
            log.warning("operator_mail_plain", alert=notice.alert, problem=type(error).__name__)
        except Exception as error:  # noqa: BLE001 - the question must reach somebody
            problem, trace = type(error).__name__, trace_of(error)
            log.error("operator_mail_plain", alert=notice.alert, problem=problem, trace=trace)  # noqa: TRY400
        return None

    def _content_of(self, notice: Notice) -> EmailContent | None:
        name = self._settings.newsletter.name
        if notice.kind == AlertKind.SUMMARY.value:
            return render_summary(notice.subject, notice.body, newsletter=name)
        if notice.kind != AlertKind.EDITION_ASKED.value:
            return None
        if notice.edition is None:
            return None
        with self._database.read() as connection:
            edition = get_edition(connection, notice.edition)
            if not already_raised(connection, [ask_key(edition)], alert=notice.alert):
                return None  # another revision was asked about since
            question = look_at_question(connection, edition, self._settings, self._clock.now())
        url = self._settings.newsletter.base_url + edition_path(self._signer(), edition)
        digest = self._as_read(question.prepared) if question.prepared is not None else None
        # Made anew from the edition: the alert's own words were masked and cut for every way.
        asked = asking(question, url=url, mailed=True)
        return render_question(asked.subject, asked.body, url=url, digest=digest, newsletter=name)

    def _as_read(self, prepared: Prepared) -> Merged:
        proof = render_proof(prepared, name="", at=self._clock.now())
        return Merged(proof.subject, proof.html, proof.text)


class OperatorRounds(Rounds):
    """Asks about editions and tells the summary, round after round: `start`, `wake`, `stop`."""

    def __init__(
        self,
        asker: Asker,
        teller: SummaryTeller,
        faults: Faults,
        *,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        super().__init__("operators", self._look, look_seconds=look_seconds)
        self._asker = asker
        self._teller = teller
        self._faults = faults

    def _look(self, _stop: threading.Event) -> bool:
        with self._faults.holding(Thing("job", "questions", "asking about editions")):
            if asked := self._asker.look():
                log.info("operators_asked", editions=asked)
        summary = Thing("job", "summary", "the daily summary")
        if not self._faults.is_held(summary):
            with self._faults.holding(summary):
                if self._teller.tell():
                    log.info("summary_raised")
        return True
