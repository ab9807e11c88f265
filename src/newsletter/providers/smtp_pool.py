"""The open connections of an SMTP provider: idle ones to reuse, busy ones to cut."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from newsletter.providers.base import Unavailable
from newsletter.providers.smtp_session import Session
from newsletter.providers.smtp_wire import Breaker

FRESH_SECONDS = 5.0
"""A connection idle for no longer than this is used without asking whether it is still there."""


class Pool:
    """Hands a session to each thread that asks, idle ones first; safe to use from threads.

    `connect` opens a new one under the watch of a breaker. `limit`: messages of one connection
    (G13), 0: without limit.
    """

    def __init__(self, connect: Callable[[Breaker], Session], limit: int) -> None:
        self._connect = connect
        self._limit = limit
        self._lock = threading.Lock()
        self._idle: list[tuple[Session, Breaker]] = []
        self._busy: dict[Session, Breaker] = {}
        self._opening: set[Breaker] = set()
        self._interrupted = False

    @property
    def interrupted(self) -> bool:
        """Whether everything was broken off."""
        return self._interrupted

    def take(self) -> Session:
        """Return a session for one thread's use; raises `AccountProblem` or `Unavailable`."""
        while True:
            breaker = Breaker()
            with self._lock:
                if self._interrupted:
                    raise Unavailable("sending was broken off")
                found = self._idle.pop() if self._idle else None
                if found is not None:
                    session, breaker = found
                    self._busy[session] = breaker
                else:
                    self._opening.add(breaker)
            if found is None:
                return self._open(breaker)
            if time.monotonic() - session.idle_since <= FRESH_SECONDS or not session.is_stale():
                return session
            self.drop(session)

    def _open(self, breaker: Breaker) -> Session:
        try:
            session = self._connect(breaker)
        finally:
            with self._lock:
                self._opening.discard(breaker)
        with self._lock:
            self._busy[session] = breaker
            if self._interrupted:
                breaker.cut()
        return session

    def has_room(self, session: Session) -> bool:
        """Return whether a session may take another message (G13)."""
        return not self._limit or session.messages < self._limit

    def give(self, session: Session) -> None:
        """Take a session back: to keep, to end in good order, or to end at once."""
        if not session.clean or not session.alive or self._interrupted:
            self.drop(session)
        elif not self.has_room(session):
            session.quit()
            self.drop(session)
        else:
            session.idle()
            with self._lock:
                self._idle.append((session, self._busy.pop(session)))

    def drop(self, session: Session) -> None:
        """End a session at once."""
        session.abort()
        with self._lock:
            self._busy.pop(session, None)

    def interrupt(self) -> None:
        """Cut every connection in use or being opened; none is opened afterwards."""
        with self._lock:
            self._interrupted = True
            breakers = [*self._busy.values(), *self._opening]
        for breaker in breakers:
            breaker.cut()

    def close(self) -> None:
        """Say QUIT on every idle connection."""
        while True:
            with self._lock:
                if not self._idle:
                    return
                session, _ = self._idle.pop()
            session.quit()
