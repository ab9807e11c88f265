"""A whole send with DKIM and return paths of its own: what arrives verifies and names itself."""

from __future__ import annotations

import base64
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from tests.command import a_desk
from tests.fakes.smtp_server import SmtpServer

from newsletter.audience.keys import load_keys
from newsletter.delivery.return_paths import ReturnPaths

pytestmark = pytest.mark.slow

READERS = 30


def test_every_message_is_signed_for_dns_and_its_bounces_name_their_delivery(
    tmp_path: Path,
) -> None:
    key = generate_private_key(65537, 2048)
    desk_folder = tmp_path / "desk"
    desk_folder.mkdir()
    file = tmp_path / "2026a.pem"
    file.touch(mode=0o600)
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "current.pem").symlink_to(file)
    with SmtpServer() as server:
        desk = a_desk(
            desk_folder,
            readers=READERS,
            NEWSLETTER_SENDER__FROM_EMAIL="daily@news.example.org",
            NEWSLETTER_SENDER__BOUNCE_DOMAIN="bounces.example.org",
            NEWSLETTER_DELIVERY__PROVIDER="smtp",
            NEWSLETTER_DELIVERY__SMTP__HOST="127.0.0.1",
            NEWSLETTER_DELIVERY__SMTP__PORT=str(server.port),
            NEWSLETTER_DELIVERY__SMTP__SECURITY="none",
            NEWSLETTER_DELIVERY__SMTP__DKIM_DOMAIN="news.example.org",
            NEWSLETTER_DELIVERY__SMTP__DKIM_KEY_FILE=str(tmp_path / "current.pem"),
        )
        desk.run("send", "latest", "--list", "daily", "--yes")
        report = desk.json("campaigns", "report", "1", "--state", "accepted")

    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)
    asked: set[bytes] = set()

    def dns(name: bytes, timeout: int = 5) -> bytes:
        del timeout
        asked.add(name)
        return record

    paths = ReturnPaths(load_keys(desk_folder / "newsletter.key"), "bounces.example.org")
    addresses = {row["delivery"]: row["address"] for row in report["deliveries"]}
    assert len(server.messages) == READERS
    for message in server.messages:
        assert dkim.verify(message.data, dnsfunc=dns)
        delivery = paths.read(message.sender)
        assert delivery is not None
        assert addresses[str(delivery)] == message.recipients[0]
    assert asked == {b"2026a._domainkey.news.example.org."}
