"""Broken and hostile mail: never an exception, always within the bounds (D9)."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.feedback.notices import NOTICES, complaint

from newsletter.feedback.bounces import parse_bounce
from newsletter.feedback.reading import LONGEST_MAIL
from newsletter.feedback.report_model import Report

SECONDS = 1.0
MAILS = [notice.mail for notice in NOTICES] + [complaint("abuse")]

_edit = st.tuples(
    st.floats(0, 1, exclude_max=True),
    st.integers(0, 200),
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from(
            [b"\n", b"\n\n", b"--frontier\n", b"\r", b"\0", b"=?utf-8?b?", b"\x1b$B", b"<", b"@"]
            + [b"Content-Type: message/rfc822\n\n", b"Content-Type: multipart/mixed; boundary=x\n"]
            + [b"charset=punycode", b"Content-Transfer-Encoding: base64\n", b"Final-Recipient:"]
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
    start = time.perf_counter()
    read = parse_bounce(mail)
    assert time.perf_counter() - start < SECONDS
    document = read.document()
    assert set(document) == {"kind", "recipients", "status", "reason", "diagnostic"}
    return read


@given(st.sampled_from(MAILS), st.lists(_edit, max_size=8))
def test_a_spoilt_notice_never_raises(mail: bytes, edits: list[tuple[float, int, bytes]]) -> None:
    within_bounds(spoilt(mail, edits))


@given(st.binary(max_size=2000))
def test_random_bytes_never_raise(mail: bytes) -> None:
    within_bounds(mail)


@given(st.sampled_from(MAILS), st.floats(0, 1))
def test_a_mail_cut_anywhere_never_raises(mail: bytes, where: float) -> None:
    within_bounds(mail[: int(len(mail) * where)])


@given(st.data(), st.lists(_edit, max_size=6))
def test_a_spoilt_sample_never_raises(
    data: st.DataObject, edits: list[tuple[float, int, bytes]]
) -> None:
    folder = Path(__file__).resolve().parents[4] / "shared" / "bounces" / "open"
    files = sorted(folder.glob("*.eml")) if folder.is_dir() else []
    mail = data.draw(st.sampled_from(files)).read_bytes() if files else MAILS[0]

    within_bounds(spoilt(mail, edits))


HEAD = b"Return-Path: <>\nFrom: MAILER-DAEMON@a.example\nSubject: failure notice\n"
TEN = 10_000_000


@pytest.mark.parametrize(
    "mail",
    [
        HEAD + b"\n" + b"<a@b.example>: 550 5.1.1 no such user\n" * (TEN // 38),
        HEAD + b"\n" + b"a" * TEN,
        HEAD + b"\n" + b"@" * TEN,
        HEAD + b"\n" + b"a@" * (TEN // 2),
        HEAD + b"\n" + b"\n" * TEN,
        HEAD + b"\n" + b"550 " * (TEN // 4),
        HEAD + b"\n" + b"5.1." * (TEN // 4),
        HEAD + b"\n" + b"<style>" * (TEN // 7),
        HEAD + b"Content-Type: text/html\n\n" + b"<style><p <" * (TEN // 11),
        HEAD + b"Content-Type: text/plain" + b";" * TEN + b"\n\nx\n",
        HEAD + b"Content-Type: text/plain;\n" + b" ;\n" * (TEN // 3) + b"\nx\n",
        HEAD + b"X: y\n" * (TEN // 5) + b"\nx\n",
        HEAD + b"Subject: " + b"=?utf-8?b?AAAA?= " * (TEN // 17) + b"\n\nx\n",
        HEAD + b"Content-Type: multipart/mixed; boundary=x\n\n" + b"--x\n\n" * (TEN // 5),
        HEAD
        + b"Content-Type: multipart/mixed; boundary=x\n\n"
        + b"--x\nContent-Type: multipart/mixed; boundary=x\n\n" * (TEN // 47),
        b"".join(
            b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (n, n)
            for n in range(60_000)
        ),
        HEAD + b"Content-Type: message/rfc822\n\n" * (TEN // 30),
        HEAD
        + b"Content-Type: message/delivery-status\n\n"
        + b"Final-Recipient: rfc822; a@b.example\nAction: failed\n\n" * (TEN // 53),
        HEAD + b"Content-Type: text/plain; charset=punycode\n\n" + b"a-" * (TEN // 2),
        HEAD + b'\n{"notificationType":' + b"[" * TEN,
        HEAD + b"\n" + b"received: x\n" * (TEN // 12),
        HEAD + b"\n" + b"user " * (TEN // 5),
        HEAD + b"\n" + ("メールボックス" * 300_000).encode(),
        bytes(range(256)) * (TEN // 256),
    ],
    ids=lambda mail: repr(mail[-30:]),
)
def test_ten_megabytes_of_junk_take_less_than_a_second_and_little_memory(mail: bytes) -> None:
    read = within_bounds(mail)

    assert read.truncated or len(mail) <= LONGEST_MAIL

    tracemalloc.start()
    try:
        parse_bounce(mail)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 60_000_000
