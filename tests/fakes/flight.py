"""A flight that keeps what it is told, in order, and can be told to fail."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from newsletter.errors import StorageError
from newsletter.providers.base import DeliveryId, Outcome


class RecordingFlight:
    """Keeps launches and landings in the order of their coming; safe to use from threads.

    `on_launch` runs inside each launch, before it counts: to look at the world at that instant,
    or to raise. `full_after` makes the launch after so many fail like a full disk.
    """

    def __init__(
        self,
        *,
        on_launch: Callable[[Sequence[DeliveryId]], None] | None = None,
        full_after: int | None = None,
    ) -> None:
        self.notes: list[tuple[str, DeliveryId]] = []
        self.outcomes: dict[DeliveryId, Outcome] = {}
        self._lock = threading.Lock()
        self._on_launch = on_launch
        self._full_after = full_after

    @property
    def launched(self) -> list[DeliveryId]:
        """Every delivery that was launched, in order."""
        return [delivery for kind, delivery in self.notes if kind == "launch"]

    @property
    def landed(self) -> list[DeliveryId]:
        """Every delivery that landed, in order."""
        return [delivery for kind, delivery in self.notes if kind == "land"]

    @property
    def in_the_air(self) -> set[DeliveryId]:
        """Deliveries that were launched and whose answer nobody noted."""
        return set(self.launched) - set(self.landed)

    def launch(self, deliveries: Sequence[DeliveryId]) -> None:
        """Note the deliveries, or fail as told."""
        if self._on_launch is not None:
            self._on_launch(deliveries)
        with self._lock:
            if self._full_after is not None and len(self.launched) >= self._full_after:
                raise StorageError("the flight log cannot be kept (no space left on device)")
            self.notes += [("launch", delivery) for delivery in deliveries]

    def land(self, outcome: Outcome) -> None:
        """Note an answer."""
        with self._lock:
            self.notes.append(("land", outcome.delivery))
            self.outcomes[outcome.delivery] = outcome

    def land_all(self, outcomes: Sequence[Outcome]) -> None:
        """Note the answers of one call."""
        for outcome in outcomes:
            self.land(outcome)
