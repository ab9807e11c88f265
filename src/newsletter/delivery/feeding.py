"""Hands a batch to the provider one envelope after the other, as fast as the limits allow."""

from __future__ import annotations

import time
from collections.abc import Iterator

from newsletter.audience.eligibility import Recipient
from newsletter.delivery.course import Course, Outfit
from newsletter.delivery.domains import domain_of
from newsletter.delivery.ledger import Batch
from newsletter.providers.base import DeliveryId, Envelope

FULL_DOMAIN_WAIT = 0.05
"""Seconds between looks at domains that have their share on the way already."""

GATHER_SECONDS = 1.0
"""How long a provider that sends many at once may gather at the account's rate."""


class Feed:
    """The envelopes of one batch; `put_off` names those whose domain was held meanwhile."""

    def __init__(self, outfit: Outfit, course: Course, batch: Batch, seconds: float) -> None:
        self._outfit = outfit
        self._course = course
        self._left = list(reversed(batch.recipients))
        self._told = time.monotonic()
        self._until = self._told + seconds
        self._inside: dict[int, str] = {}
        self.put_off: set[int] = set()

    def leave(self, subscriber: int) -> None:
        """Give a domain's place free again: this subscriber's message has its outcome."""
        if (domain := self._inside.pop(subscriber, None)) is not None:
            self._outfit.limits.gate.leave(domain)

    def __iter__(self) -> Iterator[Envelope | None]:
        """Yield envelopes; None where the next one has to wait.

        It ends early when the course ends, and after `seconds`: what is left is given back, for
        when the lease is over another worker may take it for lost.
        """
        limits, course = self._outfit.limits, self._course
        while self._left and not course.over and time.monotonic() < self._until:
            recipient = self._next()
            if recipient is None:
                if self._left:
                    yield None
                    limits.gate.wait(FULL_DOMAIN_WAIT)
                continue
            if not limits.pace.take_now():
                if self._worth_telling():
                    yield None
                if not limits.pace.take(course.end):
                    self.leave(recipient.subscriber)
                    return
            yield self._envelope(recipient)

    def _worth_telling(self) -> bool:
        """Say whether a wait for the account's rate is to be announced to this provider."""
        now = time.monotonic()
        if self._outfit.provider.gathers and now - self._told < GATHER_SECONDS:
            return False
        self._told = now
        return True

    def _next(self) -> Recipient | None:
        """Take whose turn it is, entering its domain; None while every domain is full."""
        held, gate = self._course.held, self._outfit.limits.gate
        if not held and not gate.limit:
            return self._left.pop()
        for place in range(len(self._left) - 1, -1, -1):
            domain = domain_of(self._left[place].address)
            if domain in held:
                self.put_off.add(self._left.pop(place).subscriber)
            elif gate.enter(domain):
                if gate.limit:
                    self._inside[self._left[place].subscriber] = domain
                return self._left.pop(place)
        return None

    def _envelope(self, recipient: Recipient) -> Envelope:
        mailing = self._course.mailing
        delivery = DeliveryId(mailing.campaign, recipient.subscriber)
        return Envelope(
            delivery,
            recipient.address,
            recipient.name,
            recipient.values | self._outfit.links(mailing.identity, recipient),
            self._outfit.return_path(delivery),
        )
