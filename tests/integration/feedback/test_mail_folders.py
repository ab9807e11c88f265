"""Maildirs and mbox files: read once, moved or left alone, never deleted, at any size."""

from __future__ import annotations

import io
import os
import tracemalloc
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select
from tests.builders import KEYS
from tests.fakes.returned_mail import plain_mail, status_report
from tests.integration.feedback.feedback_stage import FeedbackStage

from newsletter.audience.tokens import TokenSigner
from newsletter.clock import SettableClock
from newsletter.delivery.return_paths import ReturnPaths
from newsletter.errors import StorageError
from newsletter.feedback.ingesting import Intake
from newsletter.feedback.maildirs import Maildir, Unread, take_maildir
from newsletter.feedback.mbox_files import is_mbox, read_mbox, take_mbox
from newsletter.providers.base import DeliveryId
from newsletter.storage.tables import events

FROM = b"From MAILER-DAEMON Tue Nov 24 06:00:00 2026\n"


class Box:
    """A Maildir beside a stage on which a campaign was sent."""

    def __init__(self, folder: Path, clock: SettableClock) -> None:
        self.stage = FeedbackStage(folder, clock)
        self.campaign = self.stage.send()
        clock.advance(timedelta(minutes=5))
        self.path = folder / "Maildir"
        for name in ("new", "cur", "tmp"):
            (self.path / name).mkdir(parents=True)
        self.intake = Intake(
            self.stage.database, KEYS, TokenSigner(KEYS), self.stage.settings, clock
        )

    def bounce(self, reader: int) -> bytes:
        path = ReturnPaths(KEYS, "bounces.example.org").of(DeliveryId(self.campaign, reader))
        return status_report(f"reader{reader}@example.org", to=path)

    def put(self, name: str, mail: bytes) -> Path:
        path = self.path / name
        path.write_bytes(mail)
        return path

    def read(self) -> list[Any]:
        return list(take_maildir(self.intake, Maildir(self.path)))

    def names(self) -> list[str]:
        found = [*(self.path / "new").iterdir(), *(self.path / "cur").iterdir()]
        return sorted(str(one.relative_to(self.path)) for one in found)

    def stored(self) -> int:
        with self.stage.database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(events)).scalar_one())


@pytest.fixture
def box(tmp_path: Path, clock: SettableClock) -> Box:
    return Box(tmp_path, clock)


def test_what_was_understood_is_seen_and_the_rest_is_flagged(box: Box) -> None:
    box.put("new/1.a.host", box.bounce(1))
    box.put("new/2.b.host", plain_mail("A question"))
    box.put("cur/3.c.host:2,", box.bounce(2))
    box.put("cur/4.d.host:2,R", box.bounce(3))

    taken = box.read()

    assert [one.handled for one in taken] == [True, False, True, True]
    assert box.names() == [
        "cur/1.a.host:2,S",
        "cur/2.b.host:2,F",
        "cur/3.c.host:2,S",
        "cur/4.d.host:2,RS",
    ]


def test_what_was_looked_at_is_left_alone(box: Box) -> None:
    for flags in "SFTD":
        box.put(f"cur/{flags}.host:2,{flags}", box.bounce(1))
    box.put("new/.hidden", box.bounce(1))

    assert box.read() == []
    assert box.stored() == 0


def test_reading_it_again_reads_nothing(box: Box) -> None:
    box.put("new/1.a.host", box.bounce(1))
    box.read()

    assert box.read() == []
    assert box.stored() == 1


def test_a_mail_takes_no_other_mails_place(box: Box) -> None:
    box.put("cur/1.a.host:2,S", b"another mail of the same name")
    box.put("new/1.a.host", box.bounce(1))

    box.read()

    assert box.names() == ["cur/1.a.host:2,S", "cur/1.a.host_1:2,S"]
    assert (box.path / "cur/1.a.host:2,S").read_bytes() == b"another mail of the same name"


def test_nothing_moves_before_it_is_stored(box: Box) -> None:
    box.put("new/1.a.host", box.bounce(1))
    box.put("new/2.b.host", plain_mail("A question"))
    (box.stage.folder / "kept-mail").write_text("a file where the folder should be")

    with pytest.raises(StorageError):
        box.read()
    assert box.names() == ["new/1.a.host", "new/2.b.host"]
    assert box.stored() == 0


def test_a_crash_between_storing_and_moving_counts_a_mail_once(box: Box) -> None:
    box.put("new/1.a.host", box.bounce(1))
    box.intake.take(box.bounce(1), "maildir")

    (taken,) = box.read()

    assert (taken.new, taken.known) == (0, 1)
    assert box.names() == ["cur/1.a.host:2,S"]


def test_what_cannot_be_read_is_told_and_stays(box: Box) -> None:
    os.mkfifo(box.path / "new" / "1.pipe")
    (box.path / "new" / "2.folder").mkdir()
    box.put("new/3.c.host", box.bounce(3))

    told = box.read()

    assert [one.path.name for one in told if isinstance(one, Unread)] == ["1.pipe", "2.folder"]
    assert box.names() == ["cur/3.c.host:2,S", "new/1.pipe", "new/2.folder"]


def test_an_mbox_is_read_mail_by_mail_and_left_as_it_was(box: Box) -> None:
    mbox = box.stage.folder / "mbox"
    content = b"".join(FROM + box.bounce(reader) + b"\n" for reader in (1, 2, 3))
    mbox.write_bytes(content)

    taken = list(take_mbox(box.intake, mbox))

    assert [(one.kind, one.new) for one in taken] == [("hard", 1)] * 3
    assert mbox.read_bytes() == content
    assert is_mbox(mbox)


def test_lines_of_a_body_begin_no_mail() -> None:
    body = b"Subject: one\n\nDear all,\n\nFrom here on it is fine.\n>From the start\n>>From both\n"
    content = FROM + body + b"\n" + FROM + b"Subject: two\n\nX\n"

    first, second = read_mbox(io.BytesIO(content), longest=10_000)

    assert first.endswith(b"\n\nFrom here on it is fine.\nFrom the start\n>From both\n\n")
    assert second == b"Subject: two\n\nX\n"


@given(st.lists(st.binary(max_size=200), max_size=5), st.integers(1, 400))
def test_no_mbox_yields_more_than_it_may(parts: list[bytes], longest: int) -> None:
    content = b"".join(FROM + part + b"\n\n" for part in parts)

    mails = list(read_mbox(io.BytesIO(content), longest=longest))

    assert all(len(mail) <= longest for mail in mails)


class _Endless(io.RawIOBase):
    """Mails that nobody could hold in memory, one of them a single line."""

    def __init__(self, size: int) -> None:
        self._left = size
        self._piece = (FROM + b"Subject: x\n\n" + b"y" * 60_000_000 + b"\n\n", 0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece, at = self._piece
        count = min(len(buffer), len(piece) - at, self._left)
        buffer[:count] = piece[at : at + count]
        self._piece = (piece, (at + count) % len(piece))
        self._left -= count
        return count


@pytest.mark.slow
def test_an_mbox_of_a_gigabyte_is_not_held_in_memory() -> None:
    source = io.BufferedReader(_Endless(1 << 30), 1 << 16)
    tracemalloc.start()

    sizes = [len(mail) for mail in read_mbox(source, longest=500_000)]  # type: ignore[arg-type]

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(sizes) == 18
    assert max(sizes) == 500_000
    assert peak < 5_000_000
