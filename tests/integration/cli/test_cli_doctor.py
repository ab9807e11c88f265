"""`newsletter doctor` and DNS: what is wrong, what could not be asked, and how both read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.command import Desk, a_desk
from tests.fakes.dns_server import running_dns

pytestmark = pytest.mark.slow

DOMAIN = "letters.test"


def a_sender(folder: Path, port: int, **more: str) -> Desk:
    return a_desk(
        folder,
        NEWSLETTER_NEWSLETTER__BASE_URL=f"https://news.{DOMAIN}",
        NEWSLETTER_SENDER__FROM_EMAIL=f"digest@{DOMAIN}",
        NEWSLETTER_DELIVERY__PROVIDER="smtp",
        NEWSLETTER_DELIVERY__SMTP__HOST="127.0.0.1",
        NEWSLETTER_DELIVERY__SMTP__PORT="9",
        NEWSLETTER_CHECK__DNS_RESOLVERS=f'["127.0.0.1:{port}"]',
        **more,
    )


def dns_lines(document: Any) -> dict[str, Any]:
    names = {"SPF", "DKIM", "DMARC", "alignment", "reply MX", "base_url host", "DNS"}
    return {line["name"]: line for line in document["checks"] if line["name"] in names}


def test_the_doctor_tells_what_to_publish(tmp_path: Path) -> None:
    with running_dns() as dns:
        dns.publish(f"news.{DOMAIN}", "A", "198.51.45.7")
        dns.publish(DOMAIN, "MX", f"10 news.{DOMAIN}.")
        desk = a_sender(tmp_path, dns.port)

        document = desk.json("doctor", code=1)
        words = desk.run("doctor", code=1).stdout

    found = dns_lines(document)
    assert {name: line["ok"] for name, line in found.items()} == {
        "SPF": False,
        "DKIM": True,
        "DMARC": False,
        "alignment": True,
        "reply MX": True,
        "base_url host": True,
    }
    assert found["DKIM"]["looked"] is False
    assert all({"name", "ok", "detail", "fix"} <= set(line) for line in document["checks"])
    assert "FAIL  DMARC" in words
    assert "?     DKIM" in words
    assert f'fix: publish _dmarc.{DOMAIN} TXT "v=DMARC1; p=none; ' in words


def test_the_doctor_looks_at_the_senders_of_lists_too(tmp_path: Path) -> None:
    with running_dns() as dns:
        dns.publish(DOMAIN, "MX", f"10 news.{DOMAIN}.")
        desk = a_sender(tmp_path, dns.port)
        desk.run("lists", "create", "weekly", "--from-email", "hello@other-letters.net")

        desk.run("doctor", code=1)

    assert ("_dmarc.other-letters.net", "TXT") in dns.asked


def test_dns_that_does_not_answer_is_no_ailment(tmp_path: Path) -> None:
    with running_dns() as dns:
        dns.silent.add("*")
        desk = a_sender(tmp_path, dns.port)

        found = dns_lines(desk.json("doctor", code=1))

    assert {name: (line["ok"], line["looked"]) for name, line in found.items()} == {
        "DKIM": (True, False),
        "DNS": (True, False),
    }
    assert "could not ask" in found["DNS"]["detail"]


def test_without_dns_nobody_is_asked(tmp_path: Path) -> None:
    with running_dns() as dns:
        desk = a_sender(tmp_path, dns.port)

        found = dns_lines(desk.json("doctor", "--no-dns", code=1))

    assert found == {}
    assert dns.asked == []


def test_a_fresh_workspace_is_skipped(tmp_path: Path) -> None:
    found = dns_lines(a_desk(tmp_path).json("doctor", code=None))

    assert found["DNS"]["ok"] is True
    assert "skipped" in found["DNS"]["detail"]
