"""The mail servers of the tests refuse what real ones refuse: each rule, over the wire."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.chaos.smtp_server import Habits, Logs, serving
from tests.fakes.smtp_rules import (
    COMMAND_RULES,
    MESSAGE_RULES,
    Talk,
    refusal_of_command,
    refusal_of_message,
)
from tests.fakes.smtp_scripted import PIPELINING, ScriptedSmtpServer
from tests.fakes.smtp_server import SmtpServer

HELLO = b"EHLO client.example\r\n"
MAIL = b"MAIL FROM:<daily@example.org>\r\n"
RCPT = b"RCPT TO:<ada@example.org>\r\n"
HEAD = (
    b"From: The Daily <daily@example.org>\r\nTo: ada@example.org\r\nSubject: News\r\n"
    b"Date: Tue, 24 Nov 2026 06:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n"
)
GOOD = HEAD + b"\r\nWords.\r\n"

COMMANDS: dict[str, tuple[bytes, ...]] = {
    "line-length": (HELLO, MAIL, b"RCPT TO:<" + b"a" * 700 + b"@example.org>\r\n"),
    "control": (HELLO, b"MAIL FROM:<a\tb@example.org>\r\n"),
    "hello-name": (b"EHLO localhost\r\n",),
    "order": (HELLO, RCPT),
    "path": (HELLO, b"MAIL FROM: <daily@example.org>\r\n"),
    "option": (HELLO, b"MAIL FROM:<daily@example.org> REQUIRETLS\r\n"),
    "unicode-address": (HELLO, "MAIL FROM:<jörg@example.org>\r\n".encode()),
    "ahead": (HELLO + MAIL,),
}
"""Commands, the last of which breaks the rule."""

MESSAGES: dict[str, bytes] = {
    "size": HEAD + b"\r\n" + b"a" * 70 + b"\r\n" * 200,
    "bare-line-end": HEAD + b"\r\nWords\nand more.\r\n",
    "nul": HEAD + b"\r\nWo\0rds\r\n",
    "long-line": HEAD + b"\r\n" + b"a" * 999 + b"\r\n",
    "eight-bit-body": HEAD + "\r\nJörg\r\n".encode(),
    "eight-bit-header": HEAD.replace(b"News", "Grüße".encode()) + b"\r\nWords\r\n",
    "field-syntax": HEAD + b"No field at all\r\n\r\nWords\r\n",
    "once": HEAD + b"Subject: Twice\r\n\r\nWords\r\n",
    "from": GOOD.replace(b"<daily@example.org>", b"<daily>"),
    "message-id": GOOD.replace(b"<1@example.org>", b"1"),
    "mime": HEAD + b"Content-Type: multipart/mixed\r\n\r\nWords\r\n",
}


def talk(port: int, *turns: bytes) -> list[bytes]:
    """Say some lines, each after the reply to the one before; return the last replies' codes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        replies = [_reply(line)]
        for turn in turns:
            line.sendall(turn)
            replies.append(_reply(line))
    return replies


def _reply(line: socket.socket) -> bytes:
    said = b""
    while not (said.endswith(b"\r\n") and said.splitlines()[-1][3:4] in (b" ", b"")):
        data = line.recv(4096)
        if not data:
            break
        said += data
    return said


@contextmanager
def a_scripted(folder: Path) -> Iterator[int]:
    with ScriptedSmtpServer(extensions=("SIZE 600", "ENHANCEDSTATUSCODES")) as server:
        yield server.port


@contextmanager
def a_keeping(folder: Path) -> Iterator[int]:
    with SmtpServer(size_limit=600) as server:
        yield server.port


@contextmanager
def a_chaotic(folder: Path) -> Iterator[int]:
    with serving(Logs(folder / "kept", folder / "faults"), Habits(pipelining=False)) as port:
        yield port


SERVERS = {"scripted": a_scripted, "keeping": a_keeping, "chaotic": a_chaotic}


def test_every_rule_has_a_sample_and_a_source() -> None:
    assert set(COMMANDS) == {rule.name for rule in COMMAND_RULES}
    assert set(MESSAGES) == {rule.name for rule in MESSAGE_RULES}
    assert all(len(rule.source) > 8 for rule in (*COMMAND_RULES, *MESSAGE_RULES))


@pytest.mark.parametrize("rule", COMMAND_RULES, ids=lambda rule: rule.name)
def test_each_rule_for_commands_refuses_its_sample(tmp_path: Path, rule: object) -> None:
    name = getattr(rule, "name")  # noqa: B009

    with a_scripted(tmp_path) as port:
        replies = talk(port, *COMMANDS[name])

    assert replies[-1][:1] == b"5", replies
    assert all(reply[:1] == b"2" for reply in replies[:-1])


@pytest.mark.parametrize(
    ("server", "name"),
    [
        (server, name)
        for server in SERVERS
        for name in MESSAGES
        if (server, name) != ("chaotic", "size")  # it announces 32 MiB
    ],
)
def test_each_rule_for_messages_refuses_its_sample_on_every_server(
    tmp_path: Path, server: str, name: str
) -> None:
    with SERVERS[server](tmp_path) as port:
        replies = talk(port, HELLO, MAIL, RCPT, b"DATA\r\n", MESSAGES[name] + b".\r\n")

    assert replies[-2][:3] == b"354"
    assert replies[-1][:1] == b"5", replies[-1]


@pytest.mark.parametrize("server", SERVERS)
def test_what_keeps_the_rules_is_taken_by_every_server(tmp_path: Path, server: str) -> None:
    with SERVERS[server](tmp_path) as port:
        replies = talk(port, HELLO, MAIL, RCPT, b"DATA\r\n", GOOD + b".\r\n", b"QUIT\r\n")

    assert [int(reply[:3]) for reply in replies] == [220, 250, 250, 250, 354, 250, 221]


def test_commands_ahead_are_fine_where_that_is_offered() -> None:
    with ScriptedSmtpServer(extensions=PIPELINING) as server:
        replies = talk(server.port, HELLO, MAIL + RCPT + b"DATA\r\n")

    assert replies[-1].startswith(b"250")
    assert server.refused == []


@pytest.mark.parametrize(
    "line",
    [
        b"MAIL FROM:<>",
        b"MAIL FROM:<b+7-1-abc@bounce.example.org> BODY=8BITMIME SIZE=500",
        b"RCPT TO:<o'brien+tag@xn--bcher-kva.example>",
        "RCPT TO:<jörg@bücher.example>".encode(),
    ],
)
def test_a_command_that_real_servers_take_passes(line: bytes) -> None:
    done = {"hello", "mail"} if line[:4] == b"RCPT" else {"hello"}
    standing = Talk(("SIZE", "8BITMIME", "SMTPUTF8"), 600, done, unicode=not line.isascii())

    assert refusal_of_command(line, b"", standing) is None


def test_a_message_with_eight_bits_passes_where_it_was_declared() -> None:
    declared = Talk(eight_bit=True, unicode=True)

    assert refusal_of_message(MESSAGES["eight-bit-body"], declared) is None
    assert refusal_of_message(MESSAGES["eight-bit-header"], declared) is None
