"""The bounce mailbox on an IMAP server: each mail is handed over, then moved out of the way.

A mail is moved only after it was taken for good, so a crash leads to a second reading and never to
a loss. Nothing is deleted: what is removed here was copied before.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from newsletter.errors import ConfigurationError, NewsletterError, TryAgainLater
from newsletter.feedback.imap_session import ImapAccount, ImapSession, open_session
from newsletter.feedback.polling import Round
from newsletter.feedback.reading import LONGEST_MAIL

Take = Callable[[bytes], bool]
"""Stores durably what a mail says; True: understood, False: left for the operator."""

BATCH = 20
"""Mails fetched by one command, and the most that are read twice after a crash."""
ROUND = 5000
"""Mails of one round, and those looked through by one search: its answer is a single line."""
RENEW_SECONDS = 28 * 60.0
"""A server may log out who idles for 30 minutes (RFC 2177)."""
_MOST = 2_000_000
"""Mails of a folder that are looked through, whatever number the server tells."""
_LONGEST_FETCH = BATCH * (LONGEST_MAIL + 4096) + 1024 * 1024
_HIGHEST_UID = 2**32 - 1
_PART = f"BODY.PEEK[]<0.{LONGEST_MAIL + 1}>"
_DELETED, _FLAGGED, _SEEN = rb"\Deleted", rb"\Flagged", rb"\Seen"
KEYWORD = b"$NewsletterRead"
"""Marks what was read and has to stay where it is."""


def folder_name(wanted: str, prefix: str, delimiter: str | None) -> str:
    """Return a folder's name on a server with a namespace's prefix and a delimiter (RFC 2342).

    `wanted` is written with `/` between levels, or as the server itself names it.
    """
    if wanted.upper() == "INBOX":
        return "INBOX"
    name = wanted.replace("/", delimiter) if delimiter else wanted
    inside = f"INBOX{delimiter}" if delimiter else "INBOX"
    if name.startswith(prefix) or name.upper().startswith(inside):
        return name
    return prefix + name


@dataclass(frozen=True, slots=True)
class _Folders:
    read: str
    handled: str
    unclear: str


@dataclass(frozen=True, slots=True)
class _Selected:
    """The open folder: how many mails, and which marks it keeps."""

    exists: int
    marks: frozenset[bytes]


class ImapMailbox:
    """Does rounds over one folder; the session stays open between them. For one thread."""

    def __init__(self, account: ImapAccount, take: Take, stop: threading.Event) -> None:
        self._account = account
        self._take = take
        self._stop = stop
        self._session: ImapSession | None = None
        self._folders = _Folders("", "", "")

    def round(self) -> Round:
        """Hand over every mail of the folder, at most `ROUND`, and move it to where it belongs.

        Raises `TryAgainLater` where the server is away or `take` says so; what was not taken
        stays. Raises `ConfigurationError` where the server refuses what we need.
        """
        try:
            session, selected = self._begin()
            return self._read(session, selected)
        except BaseException:
            self._drop()
            raise

    def wait(self, seconds: float) -> None:
        """Wait for new mail: told by the server (IDLE) where it does, else the whole time."""
        until = time.monotonic() + seconds
        session = self._session
        if session is not None and self._account.part.idle and "IDLE" in session.offers:
            try:
                while not session.news and not self._stop.is_set():
                    if (left := until - time.monotonic()) <= 0:
                        return
                    session.idle(min(left, RENEW_SECONDS))
            except NewsletterError:
                # No trouble yet: a connection may end. The next round finds out what is wrong.
                self._drop()
            if session.news:
                return
        self._stop.wait(max(until - time.monotonic(), 0.0))

    def close(self) -> None:
        """Log out; the next round logs in again."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.drop()

    def _begin(self) -> tuple[ImapSession, _Selected]:
        """Return a session with the folder open, the old one if it still lives."""
        if self._session is not None:
            try:
                return self._session, self._select(self._session)
            except TryAgainLater:
                self._drop()
        self._session = open_session(self._account, self._stop)
        self._folders = self._find_folders(self._session)
        return self._session, self._select(self._session)

    def _find_folders(self, session: ImapSession) -> _Folders:
        part = self._account.part
        prefix, delimiter = "", None
        with session.doing("telling how it names folders"):
            if "NAMESPACE" in session.offers:
                personal = session.client.namespace().personal or (("", None),)
                prefix, delimiter = personal[0]
            else:
                listed = session.client.list_folders("", "")
                delimiter = listed[0][1].decode("ascii") if listed and listed[0][1] else None
        read, handled, unclear = (
            folder_name(name, prefix, delimiter)
            for name in (part.folder, part.handled, part.unclear)
        )
        if _moves(session) or _copies(session):
            for name in (handled, unclear):
                self._make(session, name)
        return _Folders(read, handled, unclear)

    def _make(self, session: ImapSession, name: str) -> None:
        if self._is_there(session, name):
            return
        try:
            with session.doing(f"making the folder '{name}'"):
                session.client.create_folder(name)
                session.client.subscribe_folder(name)
        except ConfigurationError:
            # Somebody else may have made it just now, or the server keeps no subscriptions.
            if not self._is_there(session, name):
                raise

    def _is_there(self, session: ImapSession, name: str) -> bool:
        with session.doing("listing folders"):
            return any(
                found == name and not {b"\\NOSELECT", b"\\NONEXISTENT"} & {f.upper() for f in flags}
                for flags, _, found in session.client.list_folders("", name)
            )

    def _select(self, session: ImapSession) -> _Selected:
        with session.doing(f"opening the folder '{self._folders.read}'"):
            answer: dict[bytes, Any] = session.client.select_folder(self._folders.read)
            session.news = False
            marks = answer.get(b"PERMANENTFLAGS", answer.get(b"FLAGS", ()))
            return _Selected(int(answer[b"EXISTS"]), frozenset(marks))

    def _read(self, session: ImapSession, selected: _Selected) -> Round:
        fetched = handled = 0
        waiting = self._waiting(session, selected)
        for first in range(0, len(waiting), BATCH):
            if self._stop.is_set():
                break
            mails = self._fetch(session, waiting[first : first + BATCH])
            understood: list[int] = []
            unclear: list[int] = []
            try:
                for uid, data in mails:
                    (understood if self._take(data) else unclear).append(uid)
            finally:
                # Also those before one that has to wait: they are taken for good.
                self._put_away(session, selected, understood, self._folders.handled)
                self._put_away(session, selected, unclear, self._folders.unclear)
            fetched += len(understood) + len(unclear)
            handled += len(understood)
        return Round(
            fetched=fetched,
            handled=handled,
            unclear=fetched - handled,
            more=len(waiting) >= ROUND and fetched > 0,
        )

    def _waiting(self, session: ImapSession, selected: _Selected) -> list[int]:
        """Return the UIDs of mail that was not read yet, in their order.

        What somebody marked as deleted is theirs and left alone.
        """
        criteria: list[str | bytes] = ["UNDELETED"]
        if not _moves(session) and not _copies(session):
            keeps_keywords = rb"\*" in selected.marks or KEYWORD in selected.marks
            criteria += ["UNKEYWORD", KEYWORD] if keeps_keywords else ["UNFLAGGED"]
        found: set[int] = set()
        for first in range(1, min(selected.exists, _MOST) + 1, ROUND):
            last = first + ROUND - 1
            span = f"{first}:{last if last < selected.exists else '*'}"
            with session.doing("searching"):
                found.update(session.client.search([span, *criteria]))
            if len(found) >= ROUND:
                break
        return sorted(uid for uid in found if 0 < uid <= _HIGHEST_UID)[:ROUND]

    def _fetch(self, session: ImapSession, uids: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """Return the start of each mail; who vanished meanwhile is left out."""
        with session.doing("fetching mail", _LONGEST_FETCH):
            answer: dict[int, dict[bytes, Any]] = session.client.fetch(uids, [_PART])
        bodies = ((uid, _body(answer[uid])) for uid in uids if uid in answer)
        return ((uid, data) for uid, data in bodies if data is not None)

    def _put_away(
        self, session: ImapSession, selected: _Selected, uids: list[int], folder: str
    ) -> None:
        """Move mails out of the folder, or mark them where the server cannot.

        Never a plain EXPUNGE: it would remove what somebody else marked.
        """
        if not uids:
            return
        client = session.client
        if _moves(session):
            with session.doing(f"moving mail to '{folder}'"):
                client.move(uids, folder)
        elif _copies(session):
            with session.doing(f"copying mail to '{folder}'"):
                client.copy(uids, folder)
            with session.doing("removing what was copied"):
                client.add_flags(uids, [_DELETED], silent=True)
                client.uid_expunge(uids)
        else:
            self._mark(session, selected, uids, unclear=folder == self._folders.unclear)

    def _mark(
        self, session: ImapSession, selected: _Selected, uids: list[int], *, unclear: bool
    ) -> None:
        if rb"\*" in selected.marks or KEYWORD in selected.marks:
            flags = [KEYWORD, _FLAGGED if unclear else _SEEN]
        elif _FLAGGED in selected.marks:
            flags = [_FLAGGED]
        else:
            raise ConfigurationError(
                f"{self._account.where} can neither move mail nor keep a mark on it",
                fix="use a server with MOVE or UIDPLUS, or a Maildir",
            )
        with session.doing("marking mail as read"):
            session.client.add_flags(uids, flags, silent=True)


def _moves(session: ImapSession) -> bool:
    return "MOVE" in session.offers


def _copies(session: ImapSession) -> bool:
    return "UIDPLUS" in session.offers


def _body(items: dict[bytes, Any]) -> bytes | None:
    for name, value in items.items():
        if name.startswith(b"BODY[]"):
            # A short body may come as a number or nothing instead of text.
            text = value if isinstance(value, bytes) else str(value or "").encode("ascii")
            return text[: LONGEST_MAIL + 1]
    return None
