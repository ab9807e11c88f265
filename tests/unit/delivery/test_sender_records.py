"""Whatever strangers publish in DNS is read without harm, and by the letter of its RFC."""

from __future__ import annotations

from collections.abc import Generator
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.dns_server import DnsServer, running_dns

from newsletter.delivery.outside.dkim_records import is_dkim, read_dkim
from newsletter.delivery.outside.dmarc_records import read_dmarc, walk_up
from newsletter.delivery.outside.dns_asking import Asker
from newsletter.delivery.outside.spf_records import read_spf

WORDS = ["include:", "a:", "mx", "ip4:192.0.2.1/24", "ip6:::1", "redirect=", "exists:%{i}.x", "ptr"]
PIECES = st.sampled_from(
    [*WORDS, "-all", "+all", "a/33//200", "a.test", "b.test", "/", ":", "%", "="]
)


@pytest.fixture(scope="module")
def dns() -> Generator[DnsServer]:
    with running_dns() as server:
        server.publish("a.test", "A", "192.0.2.9")
        server.publish("a.test", "MX", "10 a.test.")
        server.publish_text("a.test", "v=spf1 include:b.test ?all")
        server.publish_text("b.test", "v=spf1 include:a.test ip4:192.0.2.0/28 -all")
        yield server


@given(st.lists(st.one_of(PIECES, st.text(max_size=12)), max_size=14).map(" ".join))
def test_no_spf_record_breaks_its_reader(dns: DnsServer, record: str) -> None:
    spf = read_spf(Asker(dns.resolver(), seconds=60), "c.test", f"v=spf1 {record}")

    assert spf.result_for(ip_address("192.0.2.1")) in {"pass", "fail", "softfail", "neutral", None}
    assert 0 <= spf.lookups < 200


@pytest.mark.parametrize(
    ("record", "address", "result"),
    [
        ("ip4:192.0.2.0/24 -all", "192.0.2.77", "pass"),
        ("ip4:192.0.2.0/24 -all", "192.0.3.1", "fail"),
        ("ip4:192.0.2.0/24 ~all", "2001:db8::1", "softfail"),
        ("ip6:2001:db8::/32 -all", "2001:db8:1::1", "pass"),
        ("-ip4:192.0.2.1 ip4:192.0.2.0/24", "192.0.2.1", "fail"),
        ("ip4:192.0.2.0/24", "192.0.3.1", "neutral"),
        ("a:a.test -all", "192.0.2.9", "pass"),
        ("a:a.test/30 -all", "192.0.2.11", "pass"),
        ("mx:a.test -all", "192.0.2.9", "pass"),
        ("include:only.test -all", "192.0.2.3", "pass"),
        ("-include:only.test +ip4:192.0.2.3", "192.0.2.3", "fail"),
        ("redirect=only.test", "192.0.9.9", "softfail"),
        ("-all redirect=only.test", "192.0.2.3", "fail"),
        ("exists:%{i}.x.test -all", "192.0.2.3", None),
        ("ip4:192.0.2.3 exists:%{i}.x.test -all", "192.0.2.3", "pass"),
    ],
)
def test_an_spf_record_lets_whom_it_says(
    dns: DnsServer, record: str, address: str, result: str | None
) -> None:
    dns.publish_text("only.test", "v=spf1 ip4:192.0.2.3 ~all")

    spf = read_spf(Asker(dns.resolver(), seconds=60), "c.test", f"v=spf1 {record}")

    assert spf.problems == ()
    assert spf.result_for(ip_address(address)) == result


@given(st.one_of(st.text(max_size=80), st.text(alphabet="vpkhst=;DKIM1rsa:* /+AQ", max_size=80)))
def test_no_dkim_or_dmarc_record_breaks_its_reader(text: str) -> None:
    is_dkim(text)
    read_dkim(text)
    read_dmarc("a.test", text)


@pytest.mark.parametrize(
    ("published", "domain", "organisation", "policy"),
    [
        ({"corp.test": "p=reject; sp=none"}, "news.corp.test", "corp.test", "none"),
        ({"corp.test": "p=reject"}, "corp.test", "corp.test", "reject"),
        (
            {"corp.test": "p=reject", "news.corp.test": "p=none"},
            "news.corp.test",
            "corp.test",
            "none",
        ),
        (
            {"corp.test": "p=reject", "unit.corp.test": "p=none; psd=n"},
            "news.unit.corp.test",
            "unit.corp.test",
            "none",
        ),
        ({"hosts.test": "p=reject; psd=y"}, "news.mine.hosts.test", "mine.hosts.test", "reject"),
        ({}, "news.corp.test", "news.corp.test", None),
    ],
)
def test_the_organisation_is_found_by_walking_up(
    published: dict[str, str], domain: str, organisation: str, policy: str | None
) -> None:
    with running_dns() as server:
        for name, tags in published.items():
            server.publish_text(f"_dmarc.{name}", f"v=DMARC1; {tags}")

        walk = walk_up(Asker(server.resolver(), seconds=60), domain)

    assert (walk.organisation, walk.policy) == (organisation, policy)


def test_a_name_of_many_labels_costs_eight_questions() -> None:
    with running_dns() as server:
        walk_up(Asker(server.resolver(), seconds=60), ".".join("abcdefghijklmnop") + ".test")

    assert len(server.asked) == 8
