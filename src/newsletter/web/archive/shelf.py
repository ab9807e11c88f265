"""A bounded store of what is dear to make: the least recently used goes first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Shelf(Generic[Key, Value]):
    """Keeps values by key up to a weight in all; used from many threads.

    `weight` says what one value weighs; without it each weighs 1.
    """

    def __init__(self, most: int, weight: Callable[[Value], int] = lambda _value: 1) -> None:
        self._most = most
        self._weight = weight
        self._kept: OrderedDict[Key, Value] = OrderedDict()
        self._load = 0
        self._lock = threading.Lock()

    def get(self, key: Key) -> Value | None:
        """Return what is kept under a key."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            return None

    def put(self, key: Key, value: Value) -> None:
        """Keep a value, and let go what is too much."""
        with self._lock:
            if key in self._kept:
                self._load -= self._weight(self._kept.pop(key))
            self._kept[key] = value
            self._load += self._weight(value)
            while self._load > self._most and self._kept:
                _, gone = self._kept.popitem(last=False)
                self._load -= self._weight(gone)

    def get_or_make(self, key: Key, make: Callable[[], Value]) -> Value:
        """Return what is kept, else make it; two who come at once may both make it."""
        kept = self.get(key)
        if kept is None:
            kept = make()
            self.put(key, kept)
        return kept
