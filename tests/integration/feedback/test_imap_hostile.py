"""An IMAP server that breaks or lies: bounded, told in words, and never with the password."""

from __future__ import annotations

import re
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from newsletter.errors import ConfigurationError, NewsletterError, TryAgainLater
from newsletter.feedback.imap_mailbox import ImapMailbox
from newsletter.feedback.imap_session import imap_account
from newsletter.feedback.polling import Round
from newsletter.settings import Settings
from newsletter.settings.feedback_parts import FeedbackPart, ImapPart

PASSWORD = "correct horse"

Answer = bytes | Callable[[bytes, bytes], bytes] | None
"""What follows a command, without its tag: bytes, or made of tag and line; None: hang up."""

PLAIN = b"IMAP4rev1 UIDPLUS MOVE"
ANSWERS: dict[str, Answer] = {
    "LOGIN": b"OK in",
    "LIST": b'* LIST (\\HasNoChildren) "/" "Handled"\r\n* LIST () "/" "Unclear"\r\nOK',
    "CREATE": b"OK",
    "SUBSCRIBE": b"OK",
    "SELECT": b"* 1 EXISTS\r\n* OK [PERMANENTFLAGS (\\Flagged \\*)] x\r\nOK [READ-WRITE]",
    "SEARCH": b"* SEARCH 7\r\nOK",
    "FETCH": b"* 1 FETCH (UID 7 BODY[]<0> {6}\r\nbounce)\r\nOK",
    "MOVE": b"OK",
    "COPY": b"OK",
    "STORE": b"OK",
    "EXPUNGE": b"OK",
    "LOGOUT": b"* BYE\r\nOK",
}


class FakeServer:
    """Answers each command from a table, and keeps what it was told."""

    def __init__(self, answers: dict[str, Answer], offers: bytes, greeting: bytes) -> None:
        self.lines: list[bytes] = []
        self._answers: dict[str, Answer] = {
            **ANSWERS,
            "CAPABILITY": b"* CAPABILITY " + offers + b"\r\nOK",
            **answers,
        }
        self._greeting = greeting
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(5)

    def commands(self) -> list[str]:
        """Return the commands it got, without tags."""
        return [line.split(b" ", 1)[1].strip().decode() for line in self.lines if b" " in line]

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                connection.settimeout(20)
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        connection.sendall(self._greeting)
        for line in connection.makefile("rb"):
            self.lines.append(line)
            tag, _, rest = line.partition(b" ")
            words = rest.upper().split()
            name = (words[1] if words[:1] == [b"UID"] else words[0]) if words else b""
            answer = self._answers.get(name.decode("latin-1"), b"BAD what?")
            if answer is None:
                return
            if callable(answer):
                connection.sendall(answer(tag, line))
                continue
            untagged, _, last = answer.rpartition(b"\r\n")
            connection.sendall((untagged + b"\r\n" if untagged else b"") + tag + b" " + last)
            connection.sendall(b" done\r\n")


@contextmanager
def a_server(
    answers: dict[str, Answer] | None = None,
    *,
    offers: bytes = PLAIN,
    greeting: bytes = b"* OK ready\r\n",
) -> Iterator[FakeServer]:
    server = FakeServer(answers or {}, offers, greeting)
    try:
        yield server
    finally:
        server.close()


def mailbox_of(
    server: FakeServer,
    take: Callable[[bytes], bool] = lambda _: True,
    stop: threading.Event | None = None,
    **changes: Any,
) -> ImapMailbox:
    values = {
        "host": "127.0.0.1",
        "port": server.port,
        "security": "none",
        "username": "bounces",
        "password": SecretStr(PASSWORD),
        "timeout": "2s",
        **changes,
    }
    account = imap_account(Settings(feedback=FeedbackPart(imap=ImapPart(**values))))
    return ImapMailbox(account, take, stop or threading.Event())


def one_round(server: FakeServer, **changes: Any) -> tuple[Round, list[bytes]]:
    taken: list[bytes] = []

    def take(data: bytes) -> bool:
        taken.append(data)
        return True

    mailbox = mailbox_of(server, take, **changes)
    try:
        return mailbox.round(), taken
    finally:
        mailbox.close()


def test_a_server_that_behaves_is_read() -> None:
    with a_server() as server:
        assert one_round(server) == (Round(fetched=1, handled=1), [b"bounce"])
        assert 'UID MOVE 7 "Handled"' in server.commands()


def test_without_move_and_uidplus_mail_is_marked_and_nothing_is_ever_expunged() -> None:
    with a_server(offers=b"IMAP4rev1") as server:
        one_round(server)
        told = " | ".join(server.commands())

    assert r"UID STORE 7 +FLAGS.SILENT ($NewsletterRead \Seen)" in told
    assert "UNKEYWORD $NewsletterRead" in told
    assert "EXPUNGE" not in told
    assert "Deleted" not in told.replace("UNDELETED", "")


def test_without_keywords_a_flag_keeps_mail_from_being_read_again() -> None:
    select = b"* 1 EXISTS\r\n* OK [PERMANENTFLAGS (\\Flagged \\Seen)] x\r\nOK [READ-WRITE]"
    with a_server({"SELECT": select}, offers=b"IMAP4rev1") as server:
        one_round(server)
        told = " | ".join(server.commands())

    assert r"UID STORE 7 +FLAGS.SILENT (\Flagged)" in told
    assert "UNDELETED UNFLAGGED" in told


def test_a_server_that_keeps_no_marks_at_all_is_refused_before_the_second_reading() -> None:
    select = b"* 1 EXISTS\r\n* OK [PERMANENTFLAGS ()] x\r\nOK [READ-WRITE]"
    with (
        a_server({"SELECT": select}, offers=b"IMAP4rev1") as server,
        pytest.raises(ConfigurationError, match="neither move mail nor keep a mark"),
    ):
        one_round(server)


def test_only_what_was_copied_is_expunged_by_its_uid() -> None:
    with a_server(offers=b"IMAP4rev1 UIDPLUS") as server:
        one_round(server)
        told = server.commands()

    assert told.index('UID COPY 7 "Handled"') < told.index(r"UID STORE 7 +FLAGS.SILENT (\Deleted)")
    assert "UID EXPUNGE 7" in told
    assert "EXPUNGE" not in told


@pytest.mark.parametrize("command", ["CAPABILITY", "LOGIN", "LIST", "SELECT", "SEARCH", "FETCH"])
def test_a_server_that_hangs_up_at_any_point_is_tried_again_later(command: str) -> None:
    with (
        a_server({command: None}) as server,
        pytest.raises(TryAgainLater, match=r"the connection to 127\.0\.0\.1:\d+ was lost"),
    ):
        one_round(server)


def test_a_connection_lost_before_the_move_leaves_the_mail_for_the_next_round() -> None:
    taken: list[bytes] = []
    with a_server({"MOVE": None}) as server, pytest.raises(TryAgainLater):
        mailbox_of(server, lambda data: not taken.append(data)).round()

    assert taken == [b"bounce"]


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"FETCH": b"* 1 FETCH (UID 7 BODY[]<0> {99999999999}\r\nx)\r\nOK"}, "more than was asked"),
        ({"SEARCH": b"* SEARCH" + b" 7" * 600_000 + b"\r\nOK"}, "more than was asked"),
        ({"SELECT": b"* OK [" + b"A" * 1_100_000 + b"\r\nOK"}, "more than was asked"),
        ({"FETCH": b"* 1 FETCH " + b"(" * 20_000 + b"\r\nOK"}, "no IMAP"),
        ({"FETCH": b"* 1 FETCH (UID 7 BODY[]<0>\r\nOK"}, "no IMAP"),
        ({"SEARCH": b"* SEARCH a b c\r\nOK"}, "no IMAP"),
        ({"SELECT": b"* many EXISTS\r\nOK"}, "broke off|no IMAP"),
        ({"SELECT": b"\x16\x03\x01\r\nOK"}, "broke off at opening"),
        ({"SELECT": b"* BYE going down\r\nOK"}, "broke off at opening .*going down"),
        ({"SELECT": b"NO [INUSE] somebody else has it"}, "for now: .*somebody else"),
    ],
)
def test_garbage_is_bounded_and_told_in_words(answers: dict[str, Answer], words: str) -> None:
    with a_server(answers) as server, pytest.raises(TryAgainLater, match=words):
        one_round(server)


def test_a_flood_without_end_is_cut() -> None:
    def flood(_tag: bytes, _line: bytes) -> bytes:
        return b"* OK and on it goes\r\n" * 1_000_000

    with a_server({"SEARCH": flood}) as server, pytest.raises(TryAgainLater, match="more than"):
        one_round(server)


@pytest.mark.parametrize("greeting", [b"", b"* OK", b"* OK half a li"])
def test_a_silent_server_is_left_after_the_time_of_the_settings(greeting: bytes) -> None:
    began = time.monotonic()

    with (
        a_server(greeting=greeting) as server,
        pytest.raises(TryAgainLater, match="says nothing for 1 s"),
    ):
        one_round(server, timeout="1s")

    assert time.monotonic() - began < 20


def test_a_silent_server_is_left_at_once_when_told_to_stop() -> None:
    stop = threading.Event()
    with a_server({"SEARCH": lambda _tag, _line: b""}) as server:
        mailbox = mailbox_of(server, stop=stop, timeout="60s")
        threading.Timer(0.3, stop.set).start()
        began = time.monotonic()
        with pytest.raises(TryAgainLater, match="was stopped"):
            mailbox.round()

    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    "greeting", [b"220 mail.example.org ESMTP\r\n", b"HTTP/1.1 400 Bad\r\n", b"\0\xff\r\n"]
)
def test_what_is_no_imap_server_at_all_is_a_matter_of_settings(greeting: bytes) -> None:
    with (
        a_server(greeting=greeting) as server,
        pytest.raises(ConfigurationError, match="does not speak IMAP"),
    ):
        one_round(server)


def test_a_server_that_turns_us_away_is_tried_again_later() -> None:
    with (
        a_server(greeting=b"* BYE too many connections\r\n") as server,
        pytest.raises(TryAgainLater, match="too many connections"),
    ):
        one_round(server)


def test_the_server_cannot_make_us_tell_the_password() -> None:
    def echo(tag: bytes, line: bytes) -> bytes:
        return tag + b" NO \x1b[31mwrong: " + line.replace(b'"', b"").strip() + b"\r\n"

    with a_server({"LOGIN": echo}) as server, pytest.raises(ConfigurationError) as told:
        one_round(server)

    words = f"{told.value.fix} {''.join(traceback.format_exception(told.value, chain=True))}"
    assert PASSWORD in b"".join(server.lines).decode()
    assert "refuses the login" in words
    assert PASSWORD not in words
    assert "\x1b" not in words


def test_the_server_cannot_make_us_tell_it_in_base64_either() -> None:
    def ask_and_echo(tag: bytes, line: bytes) -> bytes:
        if b"AUTHENTICATE" in line:
            echoed.append(tag)
            return b"+ \r\n"
        return b""

    echoed: list[bytes] = []
    with a_server({"AUTHENTICATE": ask_and_echo}, offers=PLAIN + b" AUTH=PLAIN") as server:
        # The answer to the challenge is a line of its own, and looks like an unknown command.
        server._answers[""] = lambda tag, _line: echoed[-1] + b" NO " + tag.strip() + b"\r\n"
        with pytest.raises(ConfigurationError, match="refuses the login: …") as told:
            one_round(server)

    assert not re.search(r"[A-Za-z0-9+/]{20,}", str(told.value))


def test_starttls_that_is_not_offered_sends_no_password() -> None:
    with (
        a_server() as server,
        pytest.raises(ConfigurationError, match="offers no STARTTLS, so nothing was sent"),
    ):
        one_round(server, security="starttls")

    assert not any("LOGIN" in command for command in server.commands())


@pytest.mark.parametrize("greeting", [b"* OK ready\r\n", b"* PREAUTH welcome\r\n"])
def test_starttls_that_is_refused_sends_no_password(greeting: bytes) -> None:
    with (
        a_server({"STARTTLS": b"NO"}, offers=PLAIN + b" STARTTLS", greeting=greeting) as server,
        pytest.raises(ConfigurationError, match="STARTTLS"),
    ):
        one_round(server, security="starttls")

    assert not any("LOGIN " in command for command in server.commands())


def test_a_server_that_takes_no_password_in_clear_gets_none() -> None:
    with (
        a_server(offers=PLAIN + b" LOGINDISABLED") as server,
        pytest.raises(ConfigurationError, match="takes no password on this connection"),
    ):
        one_round(server)

    assert PASSWORD not in b"".join(server.lines).decode()


def test_a_folder_that_may_only_be_read_is_a_matter_of_settings() -> None:
    select = b"* 1 EXISTS\r\n* OK [READ-ONLY] look\r\nOK [READ-ONLY]"
    with (
        a_server({"SELECT": select}) as server,
        pytest.raises(ConfigurationError, match="only read, not move"),
    ):
        one_round(server)


def test_a_move_that_is_refused_is_told_with_the_folder_and_the_servers_words() -> None:
    with (
        a_server({"MOVE": b"NO [OVERQUOTA] no room"}) as server,
        pytest.raises(ConfigurationError, match=r"moving mail to 'Handled': .*no room"),
    ):
        one_round(server)


def test_mail_that_vanished_meanwhile_is_passed_over() -> None:
    fetch = b"* 1 FETCH (UID 8 BODY[]<0> {6}\r\nbounce)\r\nOK"
    with a_server({"SEARCH": b"* SEARCH 7 8\r\nOK", "FETCH": fetch}) as server:
        assert one_round(server) == (Round(fetched=1, handled=1), [b"bounce"])


def test_more_than_was_asked_for_is_not_looked_at() -> None:
    body = b"x" * 600_000
    fetch = b"* 1 FETCH (UID 7 BODY[]<0> {600000}\r\n" + body + b")\r\nOK"
    with a_server({"FETCH": fetch}) as server:
        _, taken = one_round(server)

    assert len(taken[0]) == 512 * 1024 + 1


@pytest.mark.slow
@settings(max_examples=30)
@given(
    st.sampled_from(["LIST", "SELECT", "SEARCH", "FETCH", "MOVE"]),
    st.one_of(
        st.binary(max_size=200),
        st.text(alphabet='*()[]{}"\\ 0123456789FETCHUIDBODY\r\n', max_size=200).map(str.encode),
    ),
)
def test_whatever_the_server_says_is_mail_or_an_error_of_ours(command: str, said: bytes) -> None:
    with a_server({command: said + b"\r\nOK"}) as server, suppress(NewsletterError):
        done, taken = one_round(server, timeout="1s")
        assert done.fetched == len(taken)
