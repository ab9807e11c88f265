"""What a message is made of on its way: no dot, no bare line end, a signature in front."""

from __future__ import annotations

import email
import email.policy
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.fakes.flight import RecordingFlight
from tests.fakes.mailings import a_mailing, an_envelope, envelopes
from tests.fakes.smtp_scripted import PIPELINING, ScriptedSmtpServer

from newsletter.clock import SettableClock
from newsletter.providers.base import AccountProblem, OutcomeKind
from newsletter.providers.smtp import SmtpProvider
from newsletter.providers.smtp_letters import dot_stuffed
from newsletter.rendering.mime import encode_quoted_printable
from newsletter.settings import Security, SmtpPart

AT = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
UNFIT = re.compile(rb"\r(?!\n)|(?<!\r)\n|(?:\A|\n)\.")

dotty = st.text(alphabet=st.sampled_from(". =\t\r\n\x0b\u2028aé𝕏"), max_size=300)
anything = st.one_of(st.text(max_size=300), dotty)


@given(anything, anything, anything)
@example("." * 300, "." * 300, ".\r\n.\r\n")
@example("\r\n.\r\nMAIL FROM:<x>", "a" * 75 + "." * 80, "é" * 25 + ".")
@example("x" * 76 + ".", "=" * 25 + "." * 3, "\n.\n")
def test_no_value_and_no_text_makes_a_line_unfit_for_the_wire(
    name: str, text: str, value: str
) -> None:
    mailing = a_mailing(text=text.replace("slotfeed", ""))
    mailing = replace(mailing, identity=replace(mailing.identity, title=value, from_name=value))

    raw = mailing.template.build(
        subscriber=1,
        address="ada@example.org",
        name=name,
        values={"first_name": value, "unsubscribe_url": "https://news.example.org/u/" + "." * 90},
        at=AT,
    )

    assert UNFIT.search(raw) is None
    assert raw.endswith(b"\r\n")
    assert max(map(len, raw.split(b"\r\n"))) <= 998


@given(anything)
@example(".")
@example("..")
@example("." * 200)
@example("a" * 73 + ".b" + "." * 80)
def test_an_encoded_dot_is_a_dot_again(text: str) -> None:
    import quopri

    clean = text.encode("utf-8", "replace").decode("utf-8")

    raw = encode_quoted_printable(clean)

    wanted = clean.replace("\r\n", "\n").replace("\r", "\n")
    assert quopri.decodestring(raw.replace(b"\r\n", b"\n")).decode("utf-8") == wanted
    assert UNFIT.search(raw) is None
    assert all(len(line) <= 76 for line in raw.split(b"\r\n"))


@given(st.binary(max_size=60) | st.text(alphabet=".\r\n a", max_size=40).map(str.encode))
@example(b"")
@example(b".\r\n.\n.\r.")
def test_lines_of_any_other_origin_are_made_fit(lines: bytes) -> None:
    wire = dot_stuffed(lines)

    assert wire.endswith(b"\r\n")
    # Read as a server reads it: nothing in it ends the message, and no line end is bare.
    assert b"\r\n.\r\n" not in b"\r\n" + wire
    assert b"\r" not in wire.replace(b"\r\n", b"")
    assert b"\n" not in wire.replace(b"\r\n", b"")


class _Stamp:
    """Signs with a count and keeps what it was given."""

    def __init__(self, field: bytes = b"DKIM-Signature: v=1;\r\n b=c2lnbmF0dXJl\r\n") -> None:
        self.seen: list[bytes] = []
        self._field = field

    def sign(self, message: bytes) -> bytes:
        self.seen.append(message)
        return self._field


class _Refusing:
    def sign(self, message: bytes) -> bytes:
        raise AccountProblem("the key cannot be used")


def signing(port: int, clock: SettableClock, signer: _Stamp | _Refusing) -> SmtpProvider:
    part = SmtpPart(
        host="127.0.0.1",
        port=port,
        security=Security.NONE,
        connections=1,
        timeout=timedelta(seconds=2),
        local_hostname="client.example",
    )
    return SmtpProvider(part, clock, signer=signer)


def test_a_signature_stands_before_the_message_it_was_made_of(clock: SettableClock) -> None:
    stamp = _Stamp()
    with ScriptedSmtpServer(extensions=PIPELINING) as server:
        provider = signing(server.port, clock, stamp)
        outcomes = list(provider.send(a_mailing(), envelopes(3), RecordingFlight()))
        provider.close()

    assert [o.kind for o in outcomes] == [OutcomeKind.ACCEPTED] * 3
    for payload, message in zip(server.dots, stamp.seen, strict=True):
        assert payload == b"DKIM-Signature: v=1;\r\n b=c2lnbmF0dXJl\r\n" + message
    sizes = [c.rpartition("SIZE=")[2] for c in server.commands if c.startswith("MAIL")]
    assert sizes == [str(len(payload)) for payload in server.dots]


def test_a_signature_cannot_end_the_message(clock: SettableClock) -> None:
    with ScriptedSmtpServer(extensions=PIPELINING) as server:
        provider = signing(server.port, clock, _Stamp(b"X: y\n.\r\n.\nMAIL FROM:<a@b>"))
        list(provider.send(a_mailing(), envelopes(1), RecordingFlight()))
        provider.close()

    assert len(server.dots) == 1
    assert server.dots[0].startswith(b"X: y\r\n..\r\n..\r\nMAIL FROM:<a@b>\r\nFrom:")


def test_a_key_that_cannot_be_used_stops_before_anything_is_sent(clock: SettableClock) -> None:
    with ScriptedSmtpServer(extensions=PIPELINING) as server:
        provider = signing(server.port, clock, _Refusing())
        with pytest.raises(AccountProblem, match="key"):
            list(provider.send(a_mailing(), envelopes(3), RecordingFlight()))
        provider.close()

    assert server.dots == []
    assert not any(c.startswith("MAIL") for c in server.commands)


def test_an_address_outside_ascii_is_announced_for_its_message_alone(clock: SettableClock) -> None:
    batch = [an_envelope(1), an_envelope(2, address="jürgen@bücher.example"), an_envelope(3)]
    with ScriptedSmtpServer(extensions=("SMTPUTF8", "8BITMIME", *PIPELINING)) as server:
        provider = signing(server.port, clock, _Stamp())
        outcomes = list(provider.send(a_mailing(), batch, RecordingFlight()))
        provider.close()

    assert [o.kind for o in outcomes] == [OutcomeKind.ACCEPTED] * 3
    announced = [c.endswith(" SMTPUTF8 BODY=8BITMIME") for c in server.commands if c[:4] == "MAIL"]
    assert announced == [False, True, False]


def test_the_message_reads_as_it_was_written(clock: SettableClock) -> None:
    with ScriptedSmtpServer(extensions=PIPELINING) as server:
        provider = signing(server.port, clock, _Stamp())
        list(provider.send(a_mailing(), [an_envelope(1, first_name="..Ann")], RecordingFlight()))
        provider.close()

    message = email.message_from_bytes(server.dots[0], policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    text = message.get_body(("plain",))
    assert text is not None
    lines = text.get_content().splitlines()
    assert lines[:2] == ["Dear ..Ann, ≥ 𝕏", ".a line that starts with a dot"]
