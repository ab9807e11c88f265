"""Sending over SMTP: a few connections, a thread each, one message for each recipient."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from newsletter.clock import Clock
from newsletter.providers.base import (
    AccountProblem,
    DeliveryId,
    Envelope,
    Flight,
    Health,
    Mailing,
    Outcome,
    OutcomeKind,
    Unavailable,
)
from newsletter.providers.smtp_session import Session, open_session
from newsletter.rendering.headers import NeedsSmtputf8, wire_address
from newsletter.rendering.mime import MessageTemplate
from newsletter.settings import SmtpPart

BREAKS_IN_A_ROW = 3
"""So often one thread's connection may break without a message through before it gives up."""


class SmtpProvider:
    """Hands messages to the configured server."""

    name = "smtp"
    batch_limit = 500

    def __init__(
        self,
        settings: SmtpPart,
        clock: Clock,
        *,
        password: str | None = None,
        ca_file: Path | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._password = password
        self._ca_file = ca_file
        self._idle: queue.SimpleQueue[Session] = queue.SimpleQueue()

    def send(
        self, mailing: Mailing, envelopes: Sequence[Envelope], flight: Flight
    ) -> Iterator[Outcome]:
        """Send a batch over several connections; outcomes come as they are known."""
        work = _Work(mailing, envelopes, flight)
        count = min(self._settings.connections, max(1, len(envelopes)))
        threads = [
            threading.Thread(target=self._run, args=(work,), name=f"smtp-{n}") for n in range(count)
        ]
        for thread in threads:
            thread.start()
        try:
            yield from work.outcomes(count)
        finally:
            # Told to stop, a thread still finishes the message that is on the wire.
            work.stop.set()
            for thread in threads:
                thread.join()

    def _run(self, work: _Work) -> None:
        session: Session | None = None
        breaks = 0
        try:
            while (envelope := work.take()) is not None:
                if session is None:
                    try:
                        session = self._session()
                    except BaseException:
                        work.give_back(envelope)
                        raise
                try:
                    outcome = self._deliver(session, work, envelope)
                    breaks = 0
                except ConnectionError as error:
                    breaks += 1
                    outcome = Outcome(
                        envelope.delivery, OutcomeKind.DEFERRED, detail=str(error)[:300]
                    )
                except BaseException:
                    # In the middle of a message nothing else may be said on this connection.
                    session.abort()
                    raise
                work.land(outcome)
                session = self._kept(session)
                if breaks >= BREAKS_IN_A_ROW:
                    raise Unavailable(f"{self._settings.host} keeps breaking connections")
        except BaseException as problem:  # noqa: BLE001 - told to the consumer, who raises it
            work.failed(problem)
        else:
            work.done()
        finally:
            if session is not None and session.alive:
                self._idle.put(session)

    def _deliver(self, session: Session, work: _Work, envelope: Envelope) -> Outcome:
        smtputf8 = session.smtputf8
        try:
            recipient = wire_address(envelope.address, smtputf8=smtputf8)
            needed = not recipient.isascii()
            message = work.template.build(
                subscriber=envelope.delivery.subscriber,
                address=envelope.address,
                name=envelope.name,
                values=envelope.values,
                at=self._clock.now(),
                smtputf8=needed,
            )
        except NeedsSmtputf8:
            return _refuse(envelope.delivery, "the server takes no such address (SMTPUTF8)")
        except ValueError as error:
            return _refuse(envelope.delivery, f"no address: {error}")
        limit = session.size_limit
        if limit is not None and len(message) > limit:
            return Outcome(
                envelope.delivery,
                OutcomeKind.REJECTED_MESSAGE,
                status="5.3.4",
                detail=f"{len(message)} bytes; the server takes {limit}",
            )
        return session.deliver(
            envelope.delivery,
            return_path(work.mailing),
            recipient,
            message,
            lambda: work.flight.launch([envelope.delivery]),
            smtputf8=needed,
        )

    def _session(self) -> Session:
        while True:
            try:
                session = self._idle.get_nowait()
            except queue.Empty:
                return open_session(self._settings, password=self._password, ca_file=self._ca_file)
            if not session.is_stale():
                return session

    def _kept(self, session: Session) -> Session | None:
        """Return the session for the next message, or None when it is used up or broken (G13)."""
        if not session.alive:
            return None
        limit = self._settings.messages_per_connection
        if limit and session.messages >= limit:
            session.quit()
            return None
        return session

    def evidence(self, mailing: Mailing, delivery: DeliveryId) -> Outcome | None:
        """An SMTP server tells nothing about messages of another connection."""
        del mailing, delivery
        return None

    def health(self) -> list[Health]:
        """Connect, greet, protect, authenticate, and leave."""
        where = f"{self._settings.host}:{self._settings.port}"
        try:
            session = self._session()
        except (AccountProblem, Unavailable) as problem:
            fix = getattr(problem, "fix", None) or "check 'delivery.smtp'"
            return [Health("smtp", ok=False, detail=problem.problem, fix=fix)]
        limit = f", up to {session.size_limit:,} bytes" if session.size_limit else ""
        session.quit()
        return [Health("smtp", ok=True, detail=f"{where} takes mail{limit}")]

    def close(self) -> None:
        """Say QUIT on every idle connection."""
        while True:
            try:
                self._idle.get_nowait().quit()
            except queue.Empty:
                return


def return_path(mailing: Mailing) -> str:
    """Return the envelope sender of a campaign's messages: where bounces go."""
    return wire_address(mailing.identity.from_email)


def _refuse(delivery: DeliveryId, detail: str) -> Outcome:
    return Outcome(delivery, OutcomeKind.REJECTED_RECIPIENT, detail=detail)


class _Work:
    """One batch shared by the threads: what is left to do, and what came of it."""

    def __init__(self, mailing: Mailing, envelopes: Sequence[Envelope], flight: Flight) -> None:
        self.mailing = mailing
        self.flight = flight
        self.stop = threading.Event()
        self.template = MessageTemplate(
            mailing.content,
            mailing.identity,
            campaign=mailing.campaign,
            salt=mailing.message_id_salt,
            list_mail=not mailing.transactional,
        )
        self._left: queue.SimpleQueue[Envelope] = queue.SimpleQueue()
        for envelope in envelopes:
            self._left.put(envelope)
        self._told: queue.SimpleQueue[Outcome | BaseException | None] = queue.SimpleQueue()

    def take(self) -> Envelope | None:
        """Return the next envelope; None when there is none or the batch was stopped."""
        if self.stop.is_set():
            return None
        try:
            return self._left.get_nowait()
        except queue.Empty:
            return None

    def give_back(self, envelope: Envelope) -> None:
        """Leave an envelope to the other threads, or to the next batch."""
        self._left.put(envelope)

    def land(self, outcome: Outcome) -> None:
        """Note an outcome in the flight log, then tell the consumer."""
        try:
            self.flight.land(outcome)
        finally:
            self._told.put(outcome)

    def done(self) -> None:
        """Say that a thread has nothing more to do."""
        self._told.put(None)

    def failed(self, problem: BaseException) -> None:
        """Say that a thread cannot go on; refusals of our account stop the others too."""
        if not isinstance(problem, Unavailable):
            self.stop.set()
        self._told.put(problem)

    def outcomes(self, threads: int) -> Iterator[Outcome]:
        """Yield outcomes until every thread has ended; then raise what kept one from going on.

        A thread that could not connect is no problem when the others did all the work.
        """
        problems: list[BaseException] = []
        while threads:
            told = self._told.get()
            if isinstance(told, Outcome):
                yield told
                continue
            threads -= 1
            if told is not None:
                problems.append(told)
        grave = [p for p in problems if not isinstance(p, Unavailable)]
        if grave:
            raise grave[0]
        if problems and not self._left.empty():
            raise problems[0]
