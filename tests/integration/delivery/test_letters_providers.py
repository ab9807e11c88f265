"""Letters over real protocols: what a server and an API on loopback get, and say."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from tests.builders import KEYS
from tests.fakes.sendgrid_faults import Answer, Cut
from tests.fakes.sendgrid_sending import a_provider as sendgrid_provider
from tests.fakes.sendgrid_server import SendgridServer
from tests.fakes.smtp_scripted import Close, Say, ScriptedSmtpServer
from tests.fakes.smtp_sending import a_provider as smtp_provider
from tests.fakes.smtp_server import SmtpServer
from tests.integration.delivery.letter_stage import NEWCOMER, LetterStage

from newsletter.audience.address import parse_address
from newsletter.audience.suppressions import suppression_of
from newsletter.audience.tokens import Purpose, TokenClaims
from newsletter.clock import SettableClock
from newsletter.delivery.letter_claims import letter_number
from newsletter.delivery.return_paths import ReturnPaths
from newsletter.delivery.states import DeliveryState
from newsletter.errors import ProviderError, TryAgainLater

S = DeliveryState


@pytest.fixture
def stage(tmp_path: Path, clock: SettableClock) -> Iterator[LetterStage]:
    made = LetterStage(tmp_path, clock)
    yield made
    made.database.close()


def over_smtp(stage: LetterStage, port: int, **parts: Any) -> Any:
    provider = smtp_provider(port, stage.clock)
    try:
        return stage.carrier(provider, stage.settings(**parts)).deliver_due()
    finally:
        provider.close()


def over_sendgrid(stage: LetterStage, server: SendgridServer) -> Any:
    provider = sendgrid_provider(server.url, stage.clock)
    try:
        return stage.carrier(provider).deliver_due()
    finally:
        provider.close()


def parsed(data: bytes) -> EmailMessage:
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_an_smtp_server_gets_a_plain_whole_message_with_a_link_that_works(
    stage: LetterStage,
) -> None:
    stage.ask(NEWCOMER)
    stage.ask("émile@exämple.org")
    with SmtpServer() as server:
        sender = {"from_email": "daily@news.example.org", "bounce_domain": "bounces.example.org"}
        over_smtp(stage, server.port, sender=sender)

    first, second = server.messages
    message = parsed(first.data)
    names = [name.lower() for name in message]
    once = ("from", "to", "subject", "date", "message-id", "mime-version", "auto-submitted")
    parts = {part.get_content_type(): part.get_content() for part in message.iter_parts()}
    link = next(line for line in parts["text/plain"].splitlines() if "://" in line)
    returned = ReturnPaths(KEYS, "bounces.example.org").read(first.sender)
    assert all(names.count(name) == 1 for name in once)
    assert not [n for n in names if n.startswith("list-") or n in ("precedence", "feedback-id")]
    assert list(parts) == ["text/plain", "text/html"]
    assert all(len(line) <= 78 for line in first.data.split(b"\r\n"))
    assert stage.signer.read(Purpose.CONFIRM, link.rpartition("/")[2]) == TokenClaims(
        1, stage.list_id, 1
    )
    assert parts["text/html"].count(link) == 3
    assert stage.signer.read(Purpose.UNSUBSCRIBE, link.rpartition("/")[2]) is None
    assert returned is not None
    assert letter_number(returned) == 1
    assert str(message["Message-ID"]).startswith(f"<{returned.subscriber}.0.")
    assert second.recipients == ("émile@xn--exmple-cua.org",)
    assert [row.state for row in stage.rows()] == [S.ACCEPTED, S.ACCEPTED]
    assert stage.rows()[0].answer.startswith("Q")


def test_an_address_the_server_does_not_know_is_suppressed(stage: LetterStage) -> None:
    stage.ask(NEWCOMER)
    stage.ask("other@example.org")
    refuse = {NEWCOMER: f"550 5.1.1 <{NEWCOMER}>: no such user"}
    with SmtpServer(refuse=refuse) as server:
        over_smtp(stage, server.port)

    rows = stage.rows()
    with stage.database.read() as connection:
        assert suppression_of(connection, KEYS, parse_address(NEWCOMER)) == "hard_bounce"
    assert [row.state for row in rows] == [S.REJECTED, S.ACCEPTED]
    assert NEWCOMER not in rows[0].answer


def test_a_refusal_for_policy_suppresses_nobody(stage: LetterStage) -> None:
    stage.ask(NEWCOMER)
    with SmtpServer(refuse={NEWCOMER: "550 5.7.1 blocked by policy"}) as server:
        over_smtp(stage, server.port)

    with stage.database.read() as connection:
        assert suppression_of(connection, KEYS, parse_address(NEWCOMER)) is None
    assert [row.state for row in stage.rows()] in ([S.REJECTED], [S.DEFERRED])


def test_a_connection_cut_behind_the_dot_costs_one_copy_at_most(stage: LetterStage) -> None:
    stage.ask(NEWCOMER)
    with ScriptedSmtpServer({"dot": [Close()]}) as server:
        over_smtp(stage, server.port)
        lost = stage.states()
        stage.later(minutes=6)
        over_smtp(stage, server.port)

    ids = {parsed(data)["Message-ID"] for data in server.dots}
    assert lost == [("confirm", S.UNKNOWN, "no answer")]
    assert stage.states() == [("confirm", S.ACCEPTED, None)]
    assert len(server.dots) == 2
    assert len(ids) == 1, "the same Message-ID: a mail program shows it once"


def test_greylisting_is_waited_for(stage: LetterStage) -> None:
    stage.ask(NEWCOMER)
    later = Say(b"451 4.7.1 greylisted, try again later\r\n")
    with ScriptedSmtpServer({"rcpt": [later]}) as server:
        over_smtp(stage, server.port)
        deferred = stage.states()
        stage.later(minutes=7)
        over_smtp(stage, server.port)

    assert [state for _, state, _ in deferred] == [S.DEFERRED]
    assert [state for _, state, _ in stage.states()] == [S.ACCEPTED]


def test_a_server_that_is_away_loses_nobody(stage: LetterStage) -> None:
    stage.ask(NEWCOMER)
    with SmtpServer() as server:
        port = server.port

    done = over_smtp(stage, port)
    stage.later(minutes=3)
    with SmtpServer(port=port) as server:
        over_smtp(stage, port)

    assert isinstance(done.problem, TryAgainLater)
    assert len(server.messages) == 1
    assert [row.tries for row in stage.rows()] == [0]


def test_sendgrid_gets_a_transactional_call(stage: LetterStage) -> None:
    stage.ask(NEWCOMER)
    with SendgridServer() as server:
        over_sendgrid(stage, server)

    [message], [call] = server.messages, server.calls
    link = next(line for line in message.text.splitlines() if "://" in line)
    claims = stage.signer.read(Purpose.CONFIRM, link.rpartition("/")[2])
    assert message.address == NEWCOMER
    assert message.headers == {"Auto-Submitted": "auto-generated"}
    assert claims == TokenClaims(1, stage.list_id, 1)
    assert message.html.count(link) == 3
    assert "asm" not in call
    assert not any(kind["enable"] for kind in call["tracking_settings"].values())
    assert [row.state for row in stage.rows()] == [S.ACCEPTED]
    assert stage.rows()[0].answer, "its name at SendGrid"


def test_sendgrids_lost_answer_and_wrong_key(stage: LetterStage) -> None:
    stage.ask(NEWCOMER)
    faults = [Cut(after_reading=True, take=True), Answer(401), None]
    with SendgridServer(faults) as server:
        over_sendgrid(stage, server)
        lost = stage.states()
        stage.later(minutes=6)
        refused = over_sendgrid(stage, server)
        stage.later(minutes=6)
        over_sendgrid(stage, server)

    assert lost == [("confirm", S.UNKNOWN, "no answer")]
    assert isinstance(refused.problem, ProviderError)
    assert [state for _, state, _ in stage.states()] == [S.ACCEPTED]
    assert len(server.messages) == 2


def test_the_longest_letter_keeps_its_link_whole(stage: LetterStage) -> None:
    settings = {"base_url": f"https://{'long-' * 40}name.example.org", "postal_address": "x"}
    stage.ask(NEWCOMER)
    with SmtpServer() as server:
        over_smtp(stage, server.port, newsletter=settings)

    [captured] = server.messages
    body = parsed(captured.data).get_body(("plain",))
    assert body is not None
    assert any(line.startswith(settings["base_url"] + "/c/") for line in body.get_content().split())
