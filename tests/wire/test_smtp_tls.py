"""TLS and logins over it: verified always, and never passed over (E13)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from tests.fakes.certificates import make_certificates
from tests.fakes.flight import RecordingFlight
from tests.fakes.mailings import a_mailing, envelopes
from tests.fakes.smtp_sending import a_provider
from tests.fakes.smtp_server import SmtpServer

from newsletter.clock import SettableClock
from newsletter.providers.base import AccountProblem, OutcomeKind


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_mail_goes_over_verified_tls_with_a_login(
    clock: SettableClock, tmp_path: Path, security: str
) -> None:
    certificates = make_certificates(tmp_path)
    with SmtpServer(tls=security, context=certificates.context, login=("ann", "s3cret")) as server:
        provider = a_provider(
            server.port,
            clock,
            security=security,
            ca_file=certificates.ca_file,
            username="ann",
            password="s3cret",
            timeout=timedelta(seconds=5),
        )
        (outcome,) = provider.send(a_mailing(), envelopes(1), RecordingFlight())
        provider.close()

    assert outcome.kind is OutcomeKind.ACCEPTED
    assert server.messages[0].protected


@pytest.mark.parametrize("security", [pytest.param("starttls"), "tls"])
def test_a_certificate_of_an_unknown_authority_stops_us(
    clock: SettableClock, tmp_path: Path, security: str
) -> None:
    certificates = make_certificates(tmp_path)
    with SmtpServer(tls=security, context=certificates.context) as server:
        provider = a_provider(server.port, clock, security=security, timeout=timedelta(seconds=5))
        with pytest.raises(AccountProblem, match="certificate"):
            list(provider.send(a_mailing(), envelopes(1), RecordingFlight()))

    assert server.messages == []


@pytest.mark.parametrize("content", [None, "no certificate in here\n"])
def test_an_authority_that_cannot_be_read_is_a_problem_of_the_account(
    clock: SettableClock, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "authority.pem"
    if content is not None:
        file.write_text(content)
    provider = a_provider(2525, clock, security="tls", ca_file=file)

    with pytest.raises(AccountProblem, match="certificate authorities"):
        list(provider.send(a_mailing(), envelopes(1), RecordingFlight()))


def test_a_missing_starttls_is_never_passed_over(clock: SettableClock) -> None:
    with SmtpServer() as server:
        provider = a_provider(server.port, clock, security="starttls")
        with pytest.raises(AccountProblem, match="STARTTLS"):
            list(provider.send(a_mailing(), envelopes(1), RecordingFlight()))
        assert not provider.health()[0].ok

    assert server.messages == []


def test_a_wrong_password_is_a_problem_of_the_account(clock: SettableClock, tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    with SmtpServer(tls="tls", context=certificates.context, login=("ann", "s3cret")) as server:
        provider = a_provider(
            server.port,
            clock,
            security="tls",
            ca_file=certificates.ca_file,
            username="ann",
            password="wr0ng",
            timeout=timedelta(seconds=5),
        )
        with pytest.raises(AccountProblem) as raised:
            list(provider.send(a_mailing(), envelopes(1), RecordingFlight()))

    assert raised.value.code == 535
    assert "wr0ng" not in str(raised.value)
    assert server.messages == []
