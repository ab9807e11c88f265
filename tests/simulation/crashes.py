"""Processes that die in the middle: a fuse in a node's database that blows at a statement."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event

from newsletter.storage.database import Database


class Crash(BaseException):
    """The end of a process: nothing in the program may catch it and go on."""


class Fuse:
    """Once set, the database of a node refuses everything from the so-many-th statement on.

    As for a process that was killed: what was not committed by then never happened.
    """

    def __init__(self, database: Database) -> None:
        self._left: int | None = None
        self.blown = False
        event.listen(database.engine, "before_cursor_execute", self._count)
        event.listen(database.engine, "commit", self._refuse)

    def set(self, statements: int | None) -> None:
        """Let it blow after so many statements; None: not at all."""
        self._left = statements

    def blow(self) -> None:
        """Let the process be dead from now on."""
        self.blown = True

    def defuse(self) -> None:
        """Let it be: the process is over."""
        self._left, self.blown = None, False

    def _count(self, *_: Any) -> None:
        if self._left is None:
            return
        self._left -= 1
        if self._left < 0:
            self.blown = True
        self._refuse()

    def _refuse(self, *_: Any) -> None:
        if self.blown:
            raise Crash
