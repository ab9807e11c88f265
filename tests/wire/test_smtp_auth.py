"""AUTH over SMTP: which mechanism, where the password comes from, and what a refusal tells."""

from __future__ import annotations

import base64
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from tests.fakes.flight import RecordingFlight
from tests.fakes.mailings import a_mailing, an_envelope, envelopes
from tests.fakes.smtp_scripted import PIPELINING, Say, ScriptedSmtpServer
from tests.fakes.smtp_sending import a_provider

from newsletter.clock import SettableClock
from newsletter.errors import ConfigurationError
from newsletter.providers.base import AccountProblem, OutcomeKind
from newsletter.providers.smtp_auth import run_password_command

XOAUTH2 = ("AUTH PLAIN LOGIN XOAUTH2", *PIPELINING)
SECRET = "t0ken-that-nobody-sees"


def decoded(command: str) -> bytes:
    return base64.b64decode(command.rpartition(" ")[2])


def auth_commands(server: ScriptedSmtpServer) -> list[str]:
    return [command for command in server.commands if command.startswith("AUTH")]


def test_xoauth2_sends_the_token_in_the_initial_response(clock: SettableClock) -> None:
    with ScriptedSmtpServer(extensions=XOAUTH2) as server:
        provider = a_provider(
            server.port, clock, auth="xoauth2", username="ann@example.org", password=SECRET
        )
        (outcome,) = provider.send(a_mailing(), envelopes(1), RecordingFlight())
        provider.close()

    (command,) = auth_commands(server)
    assert outcome.kind is OutcomeKind.ACCEPTED
    assert command.startswith("AUTH XOAUTH2 ")
    assert decoded(command) == f"user=ann@example.org\x01auth=Bearer {SECRET}\x01\x01".encode()


def test_a_refused_token_is_a_problem_of_the_account(clock: SettableClock) -> None:
    challenge = base64.b64encode(b'{"status":"401"}')
    script = {"auth": [Say(b"334 " + challenge + b"\r\n")]}
    with ScriptedSmtpServer(script, extensions=XOAUTH2) as server:
        provider = a_provider(
            server.port, clock, auth="xoauth2", username="ann@example.org", password=SECRET
        )
        with pytest.raises(AccountProblem) as raised:
            list(provider.send(a_mailing(), envelopes(1), RecordingFlight()))
        provider.close()

    # The challenge is answered with an empty line; then comes the refusal.
    assert server.commands[-1] == ""
    assert raised.value.code == 535
    assert SECRET not in str(raised.value)
    assert server.dots == []


@pytest.mark.parametrize("auth", ["auto", "plain", "login", "xoauth2"])
def test_no_secret_goes_in_clear_over_a_network(clock: SettableClock, auth: str) -> None:
    # 0.0.0.0 leads to this machine and is not one of the names of loopback.
    with ScriptedSmtpServer(extensions=XOAUTH2) as server:
        provider = a_provider(
            server.port, clock, host="0.0.0.0", auth=auth, username="ann", password=SECRET
        )
        with pytest.raises(AccountProblem, match="in clear"):
            list(provider.send(a_mailing(), envelopes(1), RecordingFlight()))
        provider.close()

    assert auth_commands(server) == []


def test_the_mechanism_that_was_asked_for_is_used(clock: SettableClock) -> None:
    with ScriptedSmtpServer(extensions=XOAUTH2) as server:
        provider = a_provider(server.port, clock, auth="plain", username="ann", password=SECRET)
        list(provider.send(a_mailing(), envelopes(1), RecordingFlight()))
        provider.close()

    (command,) = auth_commands(server)
    assert decoded(command) == f"\0ann\0{SECRET}".encode()


def test_a_mechanism_that_is_not_offered_is_a_problem_of_the_account(clock: SettableClock) -> None:
    with ScriptedSmtpServer(extensions=("AUTH LOGIN", *PIPELINING)) as server:
        provider = a_provider(server.port, clock, auth="xoauth2", username="ann", password=SECRET)
        with pytest.raises(AccountProblem, match="offers no AUTH XOAUTH2"):
            list(provider.send(a_mailing(), envelopes(1), RecordingFlight()))
        provider.close()

    assert auth_commands(server) == []


@pytest.mark.slow
def test_a_password_command_is_run_for_each_new_connection(
    clock: SettableClock, tmp_path: Path
) -> None:
    script = tmp_path / "token.py"
    script.write_text(
        "from pathlib import Path\n"
        f"count = Path({str(tmp_path / 'count')!r})\n"
        "number = int(count.read_text()) + 1 if count.exists() else 1\n"
        "count.write_text(str(number))\n"
        "print(f'token-{number}')\nprint('a second line')\n"
    )
    with ScriptedSmtpServer(extensions=XOAUTH2) as server:
        provider = a_provider(
            server.port,
            clock,
            auth="xoauth2",
            username="ann",
            password_command=f"{sys.executable} '{script}'",
            messages_per_connection=2,
            timeout=timedelta(seconds=5),
        )
        outcomes = list(provider.send(a_mailing(), envelopes(4), RecordingFlight()))
        provider.close()

    assert [o.kind for o in outcomes] == [OutcomeKind.ACCEPTED] * 4
    tokens = [
        decoded(command).split(b"Bearer ")[1].rstrip(b"\x01")
        for command in server.commands
        if command.startswith("AUTH")
    ]
    assert tokens == [b"token-1", b"token-2"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "told"),
    [
        (f"print('{SECRET}'); raise SystemExit(3)", "exit code 3"),
        ("pass", "printed no password"),
        ("import time; time.sleep(30)", "did not end"),
    ],
)
def test_a_password_command_that_fails_tells_how_and_never_what(program: str, told: str) -> None:
    with pytest.raises(AccountProblem, match=told) as raised:
        run_password_command(f'{sys.executable} -c "{program}"', seconds=1)

    assert SECRET not in f"{raised.value} {raised.value.fix}"


@pytest.mark.parametrize("command", ["/no/such/program", "an 'open quote", ""])
def test_a_password_command_that_is_none_is_a_problem_of_the_account(command: str) -> None:
    with pytest.raises(AccountProblem, match="password command"):
        run_password_command(command)


@pytest.mark.slow
def test_no_shell_reads_the_password_command(tmp_path: Path) -> None:
    witness = tmp_path / "witness"

    password = run_password_command(f"echo $HOME; touch {witness}")

    assert password == f"$HOME; touch {witness}"
    assert not witness.exists()


def test_a_password_file_is_read_anew_for_each_connection(
    clock: SettableClock, tmp_path: Path
) -> None:
    secret = tmp_path / "password"
    secret.touch(mode=0o600)
    secret.write_text("first\n")
    with ScriptedSmtpServer(extensions=XOAUTH2) as server:
        provider = a_provider(
            server.port,
            clock,
            auth="plain",
            username="ann",
            password_file=secret,
            messages_per_connection=1,
        )
        list(provider.send(a_mailing(), [an_envelope(1)], RecordingFlight()))
        secret.write_text("second\n")
        list(provider.send(a_mailing(), [an_envelope(2)], RecordingFlight()))
        secret.chmod(0o644)
        with pytest.raises(AccountProblem, match="read by others"):
            list(provider.send(a_mailing(), [an_envelope(3)], RecordingFlight()))
        provider.close()

    assert [decoded(c).split(b"\0")[2] for c in auth_commands(server)] == [b"first", b"second"]


def test_a_user_name_without_any_password_is_told_before_anything_is_sent(
    clock: SettableClock,
) -> None:
    with pytest.raises(ConfigurationError, match="no password"):
        a_provider(2525, clock, username="ann")
