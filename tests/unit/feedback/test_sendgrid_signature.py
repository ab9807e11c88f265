"""Which posts are believed to be SendGrid's (E1)."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from sendgrid.helpers.eventwebhook import EventWebhook
from tests.fakes.sendgrid_webhook import Signer, an_event, body_of

from newsletter.errors import ConfigurationError
from newsletter.feedback.sendgrid_signature import (
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    EventVerifier,
    Refusal,
    read_verifier,
)

NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
BODY = body_of([an_event()])
SIGNER = Signer()


def refusal(
    verifier: EventVerifier, headers: dict[str, str], body: bytes = BODY, now: datetime = NOW
) -> Refusal | None:
    return verifier.refusal(headers.get(SIGNATURE_HEADER), headers.get(TIMESTAMP_HEADER), body, now)


def test_a_post_that_the_official_helper_believes_is_believed() -> None:
    headers = SIGNER.headers(BODY, NOW)

    official = EventWebhook(SIGNER.shown)
    assert official.verify_signature(
        BODY.decode(), headers[SIGNATURE_HEADER], headers[TIMESTAMP_HEADER]
    )
    assert refusal(read_verifier(SIGNER.shown), headers) is None


def test_a_key_may_be_pem_and_several_serve_while_one_is_renewed() -> None:
    new = Signer()
    for text in (
        f"{SIGNER.shown} {new.shown}",
        f"\n{new.shown}\n\t{SIGNER.shown}\n",
        SIGNER.pem + new.pem,
        f"{SIGNER.pem} {new.shown}",
    ):
        verifier = read_verifier(text)
        assert refusal(verifier, SIGNER.headers(BODY, NOW)) is None
        assert refusal(verifier, new.headers(BODY, NOW)) is None
        assert refusal(verifier, Signer().headers(BODY, NOW)) is Refusal.WRONG_SIGNATURE


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(0), None),
        (timedelta(hours=26), None),
        (timedelta(hours=26, seconds=1), Refusal.TOO_OLD),
        (timedelta(minutes=-5), None),
        (timedelta(minutes=-5, seconds=-1), Refusal.FROM_THE_FUTURE),
    ],
)
def test_the_time_must_lie_within_the_tries_of_a_day(
    age: timedelta, expected: Refusal | None
) -> None:
    assert refusal(read_verifier(SIGNER.shown), SIGNER.headers(BODY, NOW - age)) is expected


@pytest.mark.parametrize("missing", [SIGNATURE_HEADER, TIMESTAMP_HEADER])
def test_a_missing_field_is_refused(missing: str) -> None:
    headers = SIGNER.headers(BODY, NOW)
    del headers[missing]

    assert refusal(read_verifier(SIGNER.shown), headers) is not None


@pytest.mark.parametrize("timestamp", ["", "now", "-1", "1e9", " 1", "1" * 400, "١٧٩٥", "1.5"])
def test_a_time_that_is_no_number_of_seconds_is_refused(timestamp: str) -> None:
    headers = SIGNER.headers(BODY, NOW) | {TIMESTAMP_HEADER: timestamp}

    assert refusal(read_verifier(SIGNER.shown), headers) is Refusal.NO_TIMESTAMP


def test_a_signature_is_of_one_time_and_of_these_very_bytes() -> None:
    verifier = read_verifier(SIGNER.shown)
    headers = SIGNER.headers(BODY, NOW)
    later = SIGNER.headers(BODY, NOW + timedelta(seconds=1))

    assert refusal(verifier, headers, BODY.replace(b"\r\n", b"\n")) is Refusal.WRONG_SIGNATURE
    assert refusal(verifier, headers, BODY + b" ") is Refusal.WRONG_SIGNATURE
    swapped = headers | {TIMESTAMP_HEADER: later[TIMESTAMP_HEADER]}
    assert refusal(verifier, swapped) is Refusal.WRONG_SIGNATURE
    # A byte that wanders from the body to the time would sign the same bytes.
    moved = headers | {TIMESTAMP_HEADER: headers[TIMESTAMP_HEADER][:-1]}
    assert refusal(verifier, moved, headers[TIMESTAMP_HEADER][-1:].encode() + BODY) is not None


@given(signature=st.text() | st.binary(max_size=90).map(lambda b: base64.b64encode(b).decode()))
def test_no_made_up_signature_is_believed_or_raises(signature: str) -> None:
    headers = SIGNER.headers(BODY, NOW) | {SIGNATURE_HEADER: signature}

    assert refusal(read_verifier(SIGNER.shown), headers) is not None


def _shown(key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> str:
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "no key",
        "SG.an-api-key",
        Signer().shown[:-8],
        base64.b64encode(b"x" * 91).decode(),
        _shown(ec.generate_private_key(ec.SECP384R1()).public_key()),
        _shown(ed25519.Ed25519PrivateKey.generate().public_key()),
        f"{Signer().shown} nonsense",
        Signer().pem[:-30],
    ],
    ids=[
        "nothing",
        "spaces",
        "words",
        "an API key",
        "cut off",
        "no DER",
        "another curve",
        "Ed25519",
        "words behind it",
        "PEM cut off",
    ],
)
def test_what_is_no_key_of_that_kind_is_refused_by_its_setting(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_verifier(text)

    assert "'delivery.sendgrid.webhook_public_key'" in str(caught.value)
    assert caught.value.fix
    assert len(text) < 10 or text not in str(caught.value)
