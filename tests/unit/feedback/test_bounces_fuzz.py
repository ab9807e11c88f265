"""Broken and hostile mail: never an exception, always within the bounds (D9)."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.feedback.notices import NOTICES, complaint

from newsletter.feedback.bounces import parse_bounce
from newsletter.feedback.report_model import Report

SECONDS = 1.0
"""Of this thread, the best of three: what else a machine does is no failure."""
MAILS = [notice.mail for notice in NOTICES] + [complaint("abuse")]

_edit = st.tuples(
    st.floats(0, 1, exclude_max=True),
    st.integers(0, 200),
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from(
            [
                *(b"\n", b"\n\n", b"--frontier\n", b"\r", b"\0", b"=?utf-8?b?", b"\x1b$B", b"<"),
                b"Content-Type: message/rfc822\n\n",
                b"Content-Type: multipart/mixed; boundary=x\n",
                b"Content-Transfer-Encoding: base64\n",
                b"charset=punycode",
                b"Final-Recipient:",
            ]
        ),
    ),
)


def spoilt(mail: bytes, edits: list[tuple[float, int, bytes]]) -> bytes:
    """Return a mail with pieces taken out and others put in."""
    for place, taken, put in edits:
        at = int(place * len(mail))
        mail = mail[:at] + put + mail[at + taken :]
    return mail


def within_bounds(mail: bytes) -> Report:
    """Parse, and hold it to its time; the document is always whole."""
    for _ in range(3):
        start = time.thread_time()
        read = parse_bounce(mail)
        taken = time.thread_time() - start
        if taken < SECONDS:
            break
    assert taken < SECONDS
    document = read.document()
    assert set(document) == {"kind", "recipients", "status", "reason", "diagnostic"}
    return read


@settings(max_examples=150)
@given(st.sampled_from(MAILS), st.lists(_edit, max_size=8))
def test_a_spoilt_notice_never_raises(mail: bytes, edits: list[tuple[float, int, bytes]]) -> None:
    within_bounds(spoilt(mail, edits))


@settings(max_examples=150)
@given(st.binary(max_size=2000))
def test_random_bytes_never_raise(mail: bytes) -> None:
    within_bounds(mail)


@settings(max_examples=150)
@given(st.sampled_from(MAILS), st.floats(0, 1))
def test_a_mail_cut_anywhere_never_raises(mail: bytes, where: float) -> None:
    within_bounds(mail[: int(len(mail) * where)])


@settings(max_examples=150)
@given(st.data(), st.lists(_edit, max_size=6))
def test_a_spoilt_sample_never_raises(
    data: st.DataObject, edits: list[tuple[float, int, bytes]]
) -> None:
    folder = Path(__file__).resolve().parents[4] / "shared" / "bounces" / "open"
    files = sorted(folder.glob("*.eml")) if folder.is_dir() else []
    mail = data.draw(st.sampled_from(files)).read_bytes() if files else MAILS[0]

    within_bounds(spoilt(mail, edits))


HEAD = b"Return-Path: <>\nFrom: MAILER-DAEMON@a.example\nSubject: failure notice\n"
TEXT = HEAD + b"\n"
MIXED = HEAD + b"Content-Type: multipart/mixed; boundary=x\n\n"
TEN = 10_000_000


@pytest.mark.parametrize(
    ("start", "piece", "end"),
    [
        (TEXT, b"<a@b.example>: 550 5.1.1 no such user\n", b""),
        (TEXT, b"a", b""),
        (TEXT, b"@", b""),
        (TEXT, b"a@", b""),
        (TEXT, b"a.", b""),
        (TEXT, b"a@b.", b""),
        (TEXT, b"\n", b""),
        (TEXT, b"550 ", b""),
        (TEXT, b"5.1.", b""),
        (TEXT, b"<style>", b""),
        (TEXT, b"received: x\n", b""),
        (TEXT, b"original message\n", b""),
        (TEXT, b"user ", b""),
        (TEXT, b"will be delivered to ", b""),
        (TEXT, "メールボックス".encode(), b""),
        (TEXT + b'{"notificationType":', b"[", b""),
        (TEXT + b'{"notificationType":', b'{"Message":"{', b""),
        (HEAD + b"Content-Type: text/html\n\n", b"<style><p <", b""),
        (HEAD + b"Content-Type: text/plain", b";", b"\n\nx\n"),
        (HEAD + b"Content-Type: text/plain;\n", b" ;\n", b"\nx\n"),
        (HEAD, b"X: y\n", b"\nx\n"),
        (HEAD + b"To: ", b"a@b.example, ", b"\n\nx\n"),
        (HEAD + b"Subject: ", b"=?utf-8?b?AAAA?= ", b"\n\nx\n"),
        (MIXED, b"--x\n\n", b""),
        (MIXED, b"--x\nContent-Type: multipart/mixed; boundary=x\n\n", b""),
        (HEAD, b"Content-Type: message/rfc822\n\n", b""),
        (
            HEAD + b"Content-Type: message/delivery-status\n\n",
            b"Final-Recipient: rfc822; a@b.example\nAction: failed\n\n",
            b"",
        ),
        (HEAD + b"Content-Type: text/plain; charset=punycode\n\n", b"a-", b""),
        (b"", bytes(range(256)), b""),
    ],
)
def test_ten_megabytes_of_junk_take_less_than_a_second_and_little_memory(
    start: bytes, piece: bytes, end: bytes
) -> None:
    mail = start + piece * (TEN // len(piece)) + end

    assert within_bounds(mail).truncated

    tracemalloc.start()
    try:
        parse_bounce(mail)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 60_000_000


def test_parts_within_parts_without_end_are_read_within_bounds() -> None:
    piece = 'Content-Type: multipart/mixed; boundary="{0}"\n\n--{0}\n'

    within_bounds("".join(piece.format(number) for number in range(60_000)).encode())
