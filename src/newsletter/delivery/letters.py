"""The carrier of letters: single transactional messages, through the same provider (C10, C11, G3).

It holds no sender lock and works beside a campaign: each letter is a claim of its own, durable
before a byte leaves. A letter whose answer was lost goes out once more, for a second one like it
harms nobody. What a letter says is made in `newsletter.rendering.letters`.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, select

from newsletter.audience.keys import Keys
from newsletter.audience.tokens import TokenSigner
from newsletter.clock import Clock
from newsletter.delivery.bounce_classes import BounceClass, BounceTable
from newsletter.delivery.faults import Faults, Thing
from newsletter.delivery.leases import kept_alive
from newsletter.delivery.letter_claims import ClaimedLetter, claim_letter, ready_letters
from newsletter.delivery.letter_holding import (
    LetterHold,
    guard_letters,
    read_epoch,
    read_hold,
)
from newsletter.delivery.letter_mailings import LetterMaker
from newsletter.delivery.letter_records import (
    PUT_OFF,
    expire_letters,
    keep_late_yes,
    lose_overdue,
    lost_letters,
    renew_letter,
    retry_lost,
    settle_letter,
)
from newsletter.delivery.limits import Limits
from newsletter.delivery.outcomes import LONGEST_ANSWER, RETRY_MARK, class_of, row_of
from newsletter.delivery.recording import suppress_bounced
from newsletter.delivery.states import READY, DeliveryState
from newsletter.delivery.warm_up import note_accepted
from newsletter.errors import DeliveryError, NewsletterError, ProviderError, TryAgainLater
from newsletter.logs import get_logger, mask_address
from newsletter.providers.base import (
    AccountProblem,
    DeliveryId,
    Outcome,
    OutcomeKind,
    Provider,
    Unavailable,
)
from newsletter.settings import Settings
from newsletter.storage.database import Database
from newsletter.storage.tables import letters

log = get_logger("delivery")

LOST_WAIT = timedelta(minutes=5)
"""How long a lost answer is waited for before the letter goes out once more."""
ACCOUNT_WAIT = timedelta(minutes=2)
"""How long a letter rests that our account, the settings or a template kept from leaving."""
_OPEN = (*READY, DeliveryState.CLAIMED, DeliveryState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Delivered:
    """What one round did: letters by the name of their new state, and what stands in the way.

    `problem` is what an operator must mend, or what time will; `blocked`: no letter at all gets
    through just now.
    """

    counts: Mapping[str, int]
    problem: NewsletterError | None = None
    blocked: bool = False


class _Flight:
    """Remembers whether one letter may have become real; a killed process leaves that unknown."""

    def __init__(self) -> None:
        self._launched = False
        self._landed: Outcome | None = None

    def launch(self, deliveries: Sequence[DeliveryId]) -> None:
        del deliveries
        self._launched, self._landed = True, None

    def land(self, outcome: Outcome) -> None:
        self._landed = outcome

    def land_all(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            self.land(outcome)

    def verdict(self, delivery: DeliveryId) -> Outcome:
        """Say what is known of the letter."""
        unknown = Outcome(delivery, OutcomeKind.UNKNOWN)
        not_sent = Outcome(delivery, OutcomeKind.NOT_SENT)
        return self._landed or (unknown if self._launched else not_sent)


@dataclass(slots=True)
class LetterCarrier:
    """Takes due letters to the provider, one after the other.

    `provider` should be its own: a stop breaks it off. Used by one thread at a time; any number of
    carriers may work on one database.
    """

    database: Database
    provider: Provider
    keys: Keys
    signer: TokenSigner
    settings: Settings
    clock: Clock
    limits: Limits = field(default_factory=Limits)
    _faults: Faults = field(init=False)

    def __post_init__(self) -> None:
        self._faults = Faults(self.database, self.clock)

    def deliver_due(self, stop: threading.Event | None = None) -> Delivered:
        """Send what is due now, until nothing is, or `stop` is set, or the provider is away.

        Raises `TryAgainLater` and `StorageError` for the database alone; what keeps letters from
        leaving besides is told by the answer, and they are put off.
        """
        stop = stop or threading.Event()
        with self.database.read() as connection:
            if not connection.execute(_ANY_OPEN).first():
                return Delivered({})
        guard_letters(self.database, self.clock.now())
        with self.database.read() as connection:
            hold = read_hold(connection)
        counts: Counter[str] = Counter()
        # Anew for each round: lists and templates change.
        maker = LetterMaker(self.database, self.keys, self.signer, self.settings)
        self._settle_lost(hold, maker, counts)
        problem: NewsletterError | None = None
        blocked = False
        while not (blocked or stop.is_set()):
            letter = self._claim(hold)
            if letter is None:
                break
            if isinstance(letter, DeliveryState):
                counts[letter.label] += 1
                continue
            raised, blocked = self._deliver(letter, maker, stop, counts)
            problem = raised if blocked else problem or raised
        return Delivered({name: n for name, n in counts.items() if n}, problem, blocked)

    def _settle_lost(self, hold: LetterHold, maker: LetterMaker, counts: Counter[str]) -> None:
        """Settle what ended carriers left and lost answers left open, and what is too old."""
        now = self.clock.now()
        with self.database.write(durable=False) as connection:
            overdue = lose_overdue(connection, now)
            counts[DeliveryState.EXPIRED.label] += expire_letters(connection, now)
            lost = lost_letters(connection, now, hold.until)
        if overdue:
            log.warning("letter_claims_lost", letters=overdue)
        for letter in lost:
            with self._faults.holding(_thing(letter)):
                self._settle_one(letter, maker, counts, now)

    def _settle_one(
        self, letter: ClaimedLetter, maker: LetterMaker, counts: Counter[str], now: datetime
    ) -> None:
        proven = self._proof(letter, maker)
        with self.database.write() as connection:
            if proven is not None and keep_late_yes(connection, letter, now):
                counts[DeliveryState.ACCEPTED.label] += 1
            elif retry_lost(connection, letter, now) is DeliveryState.UNKNOWN:
                counts[DeliveryState.UNKNOWN.label] += 1
                log.warning("letter_unknown", letter=letter.id)

    def _proof(self, letter: ClaimedLetter, maker: LetterMaker) -> Outcome | None:
        """Return the provider's own proof that it took a letter; None when there is none."""
        try:
            outcome = self.provider.evidence(maker.mailing(letter), letter.delivery)
        except NewsletterError:
            return None
        taken = outcome is not None and outcome.kind is OutcomeKind.ACCEPTED
        return outcome if taken else None

    def _claim(self, hold: LetterHold) -> ClaimedLetter | DeliveryState | None:
        """Take the next letter; a state for one that does not go out now; None: nothing is due."""
        with self.database.read() as connection:
            now = self.clock.now()
            if not connection.execute(_any_ready(now, hold)).first():
                return None
        with self.database.write(durable=True) as connection:
            # Somebody said meanwhile that the database is a copy: look anew in the next round.
            if read_epoch(connection) != hold.epoch:
                return None
            taken = claim_letter(
                connection,
                self.keys,
                self.clock.now(),
                lease=self.settings.delivery.lease,
                held_until=hold.until,
            )
        if isinstance(taken, DeliveryState):
            log.info("letter_not_sent", state=taken.label)
        return taken

    def _deliver(
        self,
        letter: ClaimedLetter,
        maker: LetterMaker,
        stop: threading.Event,
        counts: Counter[str],
    ) -> tuple[NewsletterError | None, bool]:
        """Send a claimed letter and record it; returns what stood in the way, and for all or not.

        However this ends, the letter's row is true afterwards.
        """
        flight = _Flight()
        outcome: Outcome | None = None
        problem: NewsletterError | None = None
        wait, blocked = ACCOUNT_WAIT, False
        try:
            mailing, envelopes = maker.mailing(letter), [maker.envelope(letter)]
            if self.limits.pace.take(stop):
                with self._lease_kept(letter):
                    for told in self.provider.send(mailing, envelopes, flight):
                        outcome = told
            else:
                wait = timedelta(0)
        except AccountProblem as refused:
            problem, blocked = ProviderError(refused.problem, fix=refused.fix), True
        except Unavailable as away:
            problem, blocked = TryAgainLater(away.problem, fix="the next round tries again"), True
            wait = timedelta(seconds=away.retry_after)
        except NewsletterError as error:
            # The settings or templates of this list; others' letters go on.
            problem = error
        except Exception as error:  # noqa: BLE001 - it holds this letter alone
            self._faults.hold(_thing(letter), error)
            problem = DeliveryError("a fault of the program", fix="see the log")
        finally:
            known = outcome or flight.verdict(letter.delivery)
            state = self._record(letter, known, problem, wait)
            counts[state.label] += 1
        return problem, blocked

    def _lease_kept(self, letter: ClaimedLetter) -> AbstractContextManager[None]:
        lease = self.settings.delivery.lease

        def renew() -> None:
            with self.database.write(durable=False) as connection:
                renew_letter(connection, letter, self.clock.now(), lease)

        return kept_alive(renew, lease)

    def _record(
        self,
        letter: ClaimedLetter,
        outcome: Outcome,
        problem: NewsletterError | None,
        wait: timedelta,
    ) -> DeliveryState:
        """Write down what became of a letter, with what follows from it; returns its state."""
        now, name = self.clock.now(), self.provider.name
        values = _row(letter, outcome, now, self.limits.table)
        if outcome.kind is OutcomeKind.NOT_SENT:
            values["not_before"] = now + wait
            values["answer"] = _masked(str(problem)) if problem else None
            values["reason"] = values["reason"] or (PUT_OFF if problem else None)
        with self.database.write(durable=True) as connection:
            ours = settle_letter(connection, letter, now, values)
            accepted = outcome.kind is OutcomeKind.ACCEPTED
            if not ours and accepted:
                keep_late_yes(connection, letter, now)
            if class_of(outcome, self.limits.table) is BounceClass.HARD:
                suppress_bounced(
                    connection,
                    self.keys,
                    letter.address,
                    outcome,
                    now,
                    provider=name,
                    what=f"letter {letter.id}",
                )
            if accepted:
                note_accepted(connection, name, self.limits.day(now), 1)
        state = DeliveryState(values["state"])
        tell = log.warning if state in _WORTH_TELLING else log.info
        tell("letter_recorded", letter=letter.id, kind=letter.kind.value, state=state.label)
        return state


def _thing(letter: ClaimedLetter) -> Thing:
    return Thing("letter", str(letter.id), f"letter {letter.id} ({letter.kind.value})")


_WORTH_TELLING = (DeliveryState.REJECTED, DeliveryState.UNKNOWN)
_ANY_OPEN = (
    select(letters.c.id).where(letters.c.state.in_(_OPEN), letters.c.settled_at.is_(None)).limit(1)
)


def _any_ready(now: datetime, hold: LetterHold) -> Select[tuple[int]]:
    return select(letters.c.id).where(ready_letters(now, hold.until)).limit(1)


def _row(
    letter: ClaimedLetter, outcome: Outcome, now: datetime, table: BounceTable
) -> dict[str, Any]:
    """Decide the row of an outcome, by the ledger's own rules."""
    # Spreads retries, guards nothing.
    jitter = random.random()  # noqa: S311
    row = row_of(outcome, letter.tries, letter.mark, now, jitter, table=table)
    values = {name: row[f"b_{name}"] for name in ("state", "tries", "not_before", "reason")}
    values["answer"] = _masked(outcome.provider_id or row["b_answer"] or "") or None
    if values["state"] is DeliveryState.UNKNOWN and letter.mark != RETRY_MARK:
        values["not_before"] = now + LOST_WAIT
    return values


def _masked(answer: str) -> str:
    """Return an answer's words without addresses: the row outlives a forgotten reader."""
    words = [mask_address(word) if "@" in word else word for word in answer.split()]
    return " ".join(words)[:LONGEST_ANSWER]
