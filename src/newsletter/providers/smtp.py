"""Sending over SMTP: each caller's thread has a connection, each recipient a message of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
from newsletter.providers.smtp_auth import PasswordSource
from newsletter.providers.smtp_connecting import Connector
from newsletter.providers.smtp_letters import Letter, Letters, Signer
from newsletter.providers.smtp_pool import Pool
from newsletter.providers.smtp_session import BrokenOff, Session
from newsletter.settings import SmtpPart

BREAKS_IN_A_ROW = 3
"""So often connections may break without a message through before the server counts as away."""
TRIES = 2
"""So often one message is tried when the connection breaks in the middle of it."""


class SmtpProvider:
    """Hands messages to the configured server, over as many connections as threads call `send`.

    `password` is asked for each new connection. `signer` signs each message where it is given.
    """

    name = "smtp"
    batch_limit = 500
    gathers = False

    def __init__(
        self,
        settings: SmtpPart,
        clock: Clock,
        *,
        password: PasswordSource | None = None,
        ca_file: Path | None = None,
        signer: Signer | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._signer = signer
        self.lanes = settings.connections
        connector = Connector(settings, password=password, ca_file=ca_file)
        self._pool = Pool(connector.open, settings.messages_per_connection)

    def send(
        self, mailing: Mailing, envelopes: Iterable[Envelope | None], flight: Flight
    ) -> Iterator[Outcome]:
        """Send envelopes over one connection after the other; outcomes come as they are known."""
        letters = Letters(mailing, envelopes, self._clock, self._signer)
        course = _Course(letters, flight, self._pool)
        breaks = 0
        while not self._pool.interrupted:
            # Told before the next one is waited for: it may wait for the place of a refused one.
            for outcome in letters.refusals():
                flight.land(outcome)
                yield outcome
            if not letters.wait():
                break
            session = self._pool.take()
            before = session.answered
            try:
                for outcome in course.over(session):
                    flight.land(outcome)
                    yield outcome
            finally:
                broken = not session.alive
                self._pool.give(session)
            if session.closing is not None and not session.answered:
                raise Unavailable(f"{self._where} has no time for us ({session.closing})")
            breaks = (breaks + 1 if session.answered == before else 1) if broken else 0
            if breaks >= BREAKS_IN_A_ROW and not self._pool.interrupted:
                raise Unavailable(f"{self._where} keeps breaking connections")
        for outcome in [*letters.refusals(), *letters.taken_back()]:
            flight.land(outcome)
            yield outcome
        if letters.problem is not None:
            raise letters.problem

    def interrupt(self) -> None:
        """Cut every connection: what is behind its dot becomes unknown, the rest is not sent."""
        self._pool.interrupt()

    def evidence(self, mailing: Mailing, delivery: DeliveryId) -> Outcome | None:
        """An SMTP server tells nothing about messages of another connection."""
        del mailing, delivery
        return None

    def health(self) -> list[Health]:
        """Connect, greet, protect, authenticate, and leave; then look at the signing key."""
        signing = self._signer.health() if self._signer is not None else []
        try:
            session = self._pool.take()
        except (AccountProblem, Unavailable) as problem:
            fix = getattr(problem, "fix", None) or "check 'delivery.smtp'"
            return [Health("smtp", ok=False, detail=problem.problem, fix=fix), *signing]
        size = session.offers.size_limit
        limit = f", up to {size:,} bytes" if size else ""
        session.quit()
        self._pool.drop(session)
        return [Health("smtp", ok=True, detail=f"{self._where} takes mail{limit}"), *signing]

    def close(self) -> None:
        """Say QUIT on every idle connection."""
        self._pool.close()

    @property
    def _where(self) -> str:
        return f"{self._settings.host}:{self._settings.port}"


class _Course:
    """One call's way through its letters, over one connection after the other."""

    def __init__(self, letters: Letters, flight: Flight, pool: Pool) -> None:
        self._letters = letters
        self._flight = flight
        self._pool = pool
        self._breaks: dict[DeliveryId, list[bool]] = {}

    def over(self, session: Session) -> Iterator[Outcome]:
        """Send over this connection until it or the letters are used up.

        At each yield no message is half on the wire. A letter that surely did not leave is back
        among the letters when the connection is lost.
        """
        letters, pool = self._letters, self._pool
        letter = letters.next(session.offers)
        while letter is not None:
            following: Letter | None = None
            try:
                outcome = session.offer(letter)
                if outcome is None:
                    session.write(letter)
                    if session.offers.pipelining and pool.has_room(session):
                        following = letters.next(session.offers)
                    self._flight.launch([letter.delivery])
                    outcome = session.finish(letter, following)
            except BrokenOff as lost:
                if (deferred := self._again(letter, lost)) is not None:
                    yield deferred
                return
            if following is not None and not session.alive:
                letters.put_back(following)
            yield outcome
            yield from letters.refusals()
            letter = following
            if not session.alive:
                return
            if letter is None and pool.has_room(session) and letters.wait():
                letter = letters.next(session.offers)

    def _again(self, letter: Letter, lost: BrokenOff) -> Outcome | None:
        """Put a letter back for another connection, or say that it had its tries."""
        breaks = self._breaks.setdefault(letter.delivery, [])
        breaks.append(lost.blames)
        had_its_tries = sum(breaks) >= TRIES or len(breaks) >= BREAKS_IN_A_ROW
        if had_its_tries and not self._pool.interrupted:
            return Outcome(letter.delivery, OutcomeKind.DEFERRED, detail=str(lost)[:300])
        self._letters.put_back(letter)
        return None
