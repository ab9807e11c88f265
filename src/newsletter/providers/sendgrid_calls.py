"""Brings one call to its end: when the API refuses it, finds whose fault it is (F6).

The refused call is made again without those the answer names; where it names nobody, its halves
are tried. Nobody is ever in two calls of which one may have been taken.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from newsletter.providers.base import (
    AccountProblem,
    DeliveryId,
    Flight,
    Outcome,
    OutcomeKind,
    Unavailable,
)
from newsletter.providers.sendgrid_answers import Refused, Settled
from newsletter.providers.sendgrid_body import CallForm, Personal

Post = Callable[[Sequence[Personal], Callable[[], None]], Settled | Refused]
"""Makes one call, running what it is given right before the body leaves.

Raises `AccountProblem` and `Unavailable`: then nobody of the call was taken.
"""


@dataclass(frozen=True, slots=True)
class _Group:
    """A part of the call; `depth` counts how often it was halved."""

    people: Sequence[Personal]
    depth: int = 0


@dataclass(frozen=True, slots=True)
class _RefusedHalf:
    group: _Group
    answer: Refused


class Call:
    """One call with everybody's outcome to come."""

    def __init__(self, form: CallForm, people: Sequence[Personal], post: Post) -> None:
        self._form = form
        self._post = post
        self._todo = deque([_Group(people)])
        self._halves: list[_RefusedHalf] = []
        self._refused: set[DeliveryId] = set()
        """Who was in a refused call, and in none since."""

    def run(self, flight: Flight) -> Iterator[Outcome]:
        """Yield outcomes as they are known, each landed before.

        Raises `AccountProblem` and `Unavailable`. However it ends, whoever was launched and is
        surely not taken has landed as not sent.
        """
        try:
            while self._todo or self._halves:
                outcomes = self._step(flight) if self._todo else self._compare_halves()
                if outcomes:
                    flight.land_all(outcomes)
                    self._forget_refusal(outcome.delivery for outcome in outcomes)
                    yield from outcomes
        finally:
            if self._refused:
                flight.land_all([Outcome(d, OutcomeKind.NOT_SENT) for d in sorted(self._refused)])

    def _step(self, flight: Flight) -> list[Outcome]:
        group = self._todo.popleft()
        deliveries = [personal.delivery for personal in group.people]

        def launch() -> None:
            flight.launch(deliveries)
            self._forget_refusal(deliveries)

        try:
            answer = self._post(group.people, launch)
        except (AccountProblem, Unavailable):
            self._refused.update(deliveries)
            raise
        if isinstance(answer, Settled):
            self._form.accepted |= answer.kind is OutcomeKind.ACCEPTED
            return [
                Outcome(
                    delivery,
                    answer.kind,
                    code=answer.code,
                    detail=answer.detail,
                    provider_id=answer.provider_id,
                )
                for delivery in deliveries
            ]
        self._refused.update(deliveries)
        return self._take_out(group, answer)

    def _forget_refusal(self, deliveries: Iterable[DeliveryId]) -> None:
        # Hashing a thousand for nothing would show: hardly any call is ever refused.
        if self._refused:
            self._refused.difference_update(deliveries)

    def _take_out(self, group: _Group, answer: Refused) -> list[Outcome]:
        if answer.named:
            rest = [p for place, p in enumerate(group.people) if place not in answer.named]
            if rest:
                self._todo.appendleft(_Group(rest, group.depth))
            return [
                Outcome(group.people[place].delivery, b.kind, code=answer.code, detail=b.words)
                for place, b in answer.named.items()
            ]
        if group.depth == 1 and not answer.too_much:
            # What the first half means shows when the second half was tried.
            self._halves.append(_RefusedHalf(group, answer))
            return []
        return self._halve(group, answer)

    def _compare_halves(self) -> list[Outcome]:
        """Go on with the halves that were refused, unless both were, and in the same words."""
        halves, self._halves = self._halves, []
        if len(halves) == 2 and halves[0].answer == halves[1].answer:
            raise _faulty_message(halves[0].answer)
        return [outcome for half in halves for outcome in self._halve(half.group, half.answer)]

    def _halve(self, group: _Group, answer: Refused) -> list[Outcome]:
        """Plan the halves of a group; for a single recipient, say what the refusal makes of it."""
        people = group.people
        if len(people) > 1:
            middle = len(people) // 2
            halves = [_Group(part, group.depth + 1) for part in (people[:middle], people[middle:])]
            if answer.too_much:
                # Straight down: whether one alone is too much decides about all.
                self._todo.extendleft(reversed(halves))
            else:
                self._todo.extend(halves)
            return []
        if not self._form.accepted and (group.depth == 0 or answer.too_much):
            raise _faulty_message(answer)
        (guilty,) = people
        kind = OutcomeKind.REJECTED_MESSAGE
        return [Outcome(guilty.delivery, kind, code=answer.code, detail=answer.words)]


def _faulty_message(answer: Refused) -> AccountProblem:
    return AccountProblem(
        f"SendGrid refuses the message ({answer.code}): {answer.words}",
        fix="correct the digest, its sender or the settings",
        code=answer.code,
    )
