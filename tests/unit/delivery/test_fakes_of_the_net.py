"""The DNS and web servers of the tests refuse what real ones refuse."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

import dns.message
import dns.query
import pytest
from tests.fakes.dns_server import running_dns
from tests.fakes.webhook_server import WebhookServer


def test_an_answer_too_long_for_a_datagram_comes_by_tcp_alone() -> None:
    with running_dns() as server:
        server.publish_text("key._domainkey.example.org", "v=DKIM1; p=" + "A" * 3000)
        query = dns.message.make_query("key._domainkey.example.org", "TXT", use_edns=False)

        by_datagram = dns.query.udp(query, "127.0.0.1", port=server.port, timeout=5)
        found = server.resolver().resolve("key._domainkey.example.org", "TXT")

        assert by_datagram.answer == []
        assert by_datagram.flags & dns.flags.TC
        assert b"".join(found[0].strings).endswith(b"A" * 3000)
        assert server.by_tcp == 1


def test_a_name_with_an_alias_has_nothing_else() -> None:
    with running_dns() as server:
        server.publish("www.example.org", "CNAME", "example.net.")
        with pytest.raises(ValueError, match="alias"):
            server.publish("www.example.org", "TXT", '"x"')


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", {"Content-Type": "text/plain", "Content-Length": "2"}, 415),
        (b"{}", {"Content-Type": "application/json"}, 411),
        (b"[]", {"Content-Type": "application/json", "Content-Length": "2"}, 400),
        (b'{"a": "\xff"}', {"Content-Type": "application/json", "Content-Length": "10"}, 400),
        (b"{", {"Content-Type": "application/json", "Content-Length": "1"}, 400),
        (b"{}", {"Content-Type": "application/json; charset=utf-8", "Content-Length": "2"}, 204),
    ],
)
def test_a_receiver_of_alerts_takes_a_json_object_and_nothing_else(
    body: bytes, headers: dict[str, str], status: int
) -> None:
    with WebhookServer() as server:
        where = urlsplit(server.url)
        line = http.client.HTTPConnection(where.hostname or "", where.port, timeout=5)
        line.putrequest("POST", where.path)
        for name, value in headers.items():
            line.putheader(name, value)
        line.endheaders()
        line.send(body)
        answer = line.getresponse()
        line.close()

    assert answer.status == status
    assert len(server.posts) == (status == 204)
