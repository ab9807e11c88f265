"""What the DNS of a sender says to `doctor` and `check --dns`, asked of a real server (A14)."""

from __future__ import annotations

import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.fakes.dns_server import DnsServer, running_dns

from newsletter.delivery.outside.dns_health import DnsHealth
from newsletter.delivery.outside.sender_dns import dns_findings, look_at_dns, why_dns_is_skipped
from newsletter.delivery.outside.sender_setup import sender_setup
from newsletter.settings import Settings

DOMAIN = "letters.test"
RELAY = f"mail.{DOMAIN}"
# A public address: those set aside for documents are none.
ADDRESS = "198.51.45.7"
SELECTOR = f"2026a._domainkey.{DOMAIN}"


def a_key(folder: Path, bits: int = 2048, name: str = "2026a.pem") -> Path:
    file = folder / name
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    file.touch(mode=0o600)
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return file


def settings_of(folder: Path, **smtp: Any) -> Settings:
    return Settings(
        newsletter={"base_url": f"https://news.{DOMAIN}"},
        sender={"from_email": f"digest@{DOMAIN}", "bounce_domain": f"bounces.{DOMAIN}"},
        delivery={
            "provider": "smtp",
            "smtp": {
                "host": RELAY,
                "dkim_domain": DOMAIN,
                "dkim_key_file": folder / "2026a.pem",
                **smtp,
            },
        },
        root=folder,
    )


def sendgrid_settings(domain: str = DOMAIN) -> Settings:
    return Settings(
        newsletter={"base_url": f"https://news.{DOMAIN}"},
        sender={"from_email": f"digest@{domain}"},
        delivery={"provider": "sendgrid"},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    a_key(folder)
    return folder


@pytest.fixture
def dns() -> Generator[DnsServer]:
    with running_dns() as server:
        yield server


@pytest.fixture
def zone(dns: DnsServer, folder: Path) -> DnsServer:
    """A server that knows a sender whose every record is right."""
    setup = sender_setup(settings_of(folder)).dkim
    assert setup is not None
    assert setup.published is not None
    dns.publish(DOMAIN, "SOA", f"ns.{DOMAIN}. root.{DOMAIN}. 1 3600 600 86400 60")
    dns.publish(DOMAIN, "MX", f"10 {RELAY}.")
    dns.publish(f"bounces.{DOMAIN}", "MX", f"10 {RELAY}.")
    dns.publish_text(f"bounces.{DOMAIN}", "v=spf1 a:mail.letters.test -all")
    dns.publish_text(SELECTOR, setup.published)
    dns.publish_text(f"_dmarc.{DOMAIN}", "v=DMARC1; p=none; rua=mailto:dmarc@letters.test")
    dns.publish(RELAY, "A", ADDRESS)
    dns.publish("7.45.51.198.in-addr.arpa", "PTR", f"{RELAY}.")
    dns.publish(f"news.{DOMAIN}", "A", ADDRESS)
    return dns


def look(settings: Settings, server: DnsServer, **more: Any) -> dict[str, DnsHealth]:
    lines = look_at_dns(settings, resolver=server.resolver(), **more)
    found = {line.name: line for line in lines if isinstance(line, DnsHealth)}
    assert len(found) == len(lines)
    return found


def test_a_sender_whose_records_are_right_has_nothing_to_mend(
    zone: DnsServer, folder: Path
) -> None:
    found = look(settings_of(folder), zone)

    assert {
        name: (line.ok, line.looked, line.fix) for name, line in found.items()
    } == dict.fromkeys(
        (
            "SPF",
            "DKIM",
            "DMARC",
            "alignment",
            "bounce MX",
            "reply MX",
            "reverse DNS",
            "base_url host",
        ),
        (True, True, None),
    )
    assert dns_findings(settings_of(folder), resolver=zone.resolver()) == ()
    assert "1 of 10 lookups" in found["SPF"].detail


# ---------------------------------------------------------------- SPF


def test_a_missing_spf_record_is_told_with_the_record_to_publish(
    zone: DnsServer, folder: Path
) -> None:
    zone.publish(f"bounces.{DOMAIN}", "TXT")

    line = look(settings_of(folder), zone)["SPF"]

    assert not line.ok
    assert line.fix == 'publish bounces.letters.test TXT "v=spf1 a:mail.letters.test -all"'


def test_two_spf_records_are_none_and_are_told_as_one_to_publish(
    zone: DnsServer, folder: Path
) -> None:
    zone.publish_text(
        f"bounces.{DOMAIN}", "v=spf1 ip4:203.0.113.1 ~all", "v=spf1 mx -all", "another record"
    )

    line = look(settings_of(folder), zone)["SPF"]

    assert not line.ok
    assert "2 SPF records" in line.detail
    assert line.fix is not None
    assert '"v=spf1 ip4:203.0.113.1 mx -all"' in line.fix


def test_over_ten_lookups_are_counted_through_all_includes(zone: DnsServer, folder: Path) -> None:
    zone.publish_text(f"bounces.{DOMAIN}", f"v=spf1 a:{RELAY} include:one.test -all")
    zone.publish_text("one.test", "v=spf1 include:two.test include:three.test ~all")
    zone.publish_text("two.test", f"v=spf1 {f'a:{RELAY} ' * 5}-all")
    zone.publish_text("three.test", f"v=spf1 {f'a:{RELAY} ' * 4}-all")

    line = look(settings_of(folder), zone)["SPF"]

    assert not line.ok
    assert "13 lookups" in line.detail


def test_ten_lookups_are_still_allowed(zone: DnsServer, folder: Path) -> None:
    zone.publish_text(f"bounces.{DOMAIN}", f"v=spf1 {f'a:{RELAY} ' * 10}-all")

    line = look(settings_of(folder), zone)["SPF"]

    assert line.ok
    assert "10 of 10 lookups" in line.detail


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ("v=spf1 include:nowhere.test -all", "leads to 0 SPF records"),
        ("v=spf1 include:bounces.letters.test -all", "leads back to itself"),
        ("v=spf1 ip4:300.1.1.1 -all", "no IPv4 address"),
        ("v=spf1 ipv4:192.0.2.1 -all", "is no SPF"),
        ("v=spf1 a:no1.test a:no2.test a:no3.test a:mail.letters.test -all", "3 names"),
        ("v=spf1 +all", "lets everybody"),
    ],
)
def test_what_makes_receivers_pass_over_an_spf_record_is_told(
    zone: DnsServer, folder: Path, record: str, said: str
) -> None:
    zone.publish_text(f"bounces.{DOMAIN}", record)

    line = look(settings_of(folder), zone)["SPF"]

    assert not line.ok
    assert said in line.detail


@pytest.mark.parametrize(
    "record",
    [
        "v=spf1 ip4:198.51.45.0/24 -all",
        "v=spf1 mx -all",
        "v=spf1 a:mail.letters.test/28 ~all",
        "v=spf1 -ip4:198.51.45.8 include:inner.test -all",
        "v=spf1 redirect=inner.test",
        "V=SPF1 ip4:198.51.45.7",
    ],
)
def test_a_record_that_names_the_relay_in_any_way_is_fine(
    zone: DnsServer, folder: Path, record: str
) -> None:
    zone.publish_text(f"bounces.{DOMAIN}", record)
    zone.publish_text("inner.test", "v=spf1 ip4:198.51.45.7 -all")

    assert look(settings_of(folder), zone)["SPF"].detail.startswith("the record of bounces")
    assert look(settings_of(folder), zone)["SPF"].fix is None


def test_a_relay_of_ours_that_spf_does_not_let_is_told_with_the_record_mended(
    zone: DnsServer, folder: Path
) -> None:
    zone.publish_text(f"bounces.{DOMAIN}", "v=spf1 ip4:203.0.113.9 ~all")

    line = look(settings_of(folder), zone)["SPF"]

    assert not line.ok
    assert line.fix is not None
    assert '"v=spf1 ip4:203.0.113.9 a:mail.letters.test ~all"' in line.fix


def test_a_relay_of_others_may_send_by_other_addresses_so_that_it_is_advice(
    zone: DnsServer, folder: Path
) -> None:
    zone.publish("relay.elsewhere.test", "A", "198.51.45.99")

    line = look(settings_of(folder, host="relay.elsewhere.test"), zone)["SPF"]

    assert line.ok
    assert line.fix is not None
    assert "a:relay.elsewhere.test" in line.fix


def test_a_known_relay_is_let_by_its_include(zone: DnsServer, folder: Path) -> None:
    settings = settings_of(folder, host="email-smtp.eu-west-1.amazonaws.com")
    missing = look(settings, zone)["SPF"]
    zone.publish_text(f"bounces.{DOMAIN}", "v=spf1 include:amazonses.com -all")
    zone.publish_text("amazonses.com", "v=spf1 ip4:199.255.192.0/22 -all")

    there = look(settings, zone)["SPF"]

    assert not missing.ok
    assert missing.fix is not None
    assert '"v=spf1 a:mail.letters.test include:amazonses.com -all"' in missing.fix
    assert there.fix is None
    assert "reverse DNS" not in look(settings, zone)


def test_a_record_that_depends_on_the_message_is_not_judged(zone: DnsServer, folder: Path) -> None:
    zone.publish_text(f"bounces.{DOMAIN}", "v=spf1 exists:%{i}._spf.letters.test -all")

    line = look(settings_of(folder), zone)["SPF"]

    assert line.ok
    assert not line.looked


def test_a_relay_on_this_machine_is_known_by_the_name_it_says(
    zone: DnsServer, folder: Path
) -> None:
    nameless = look(settings_of(folder, host="localhost"), zone)["SPF"]
    named = look(settings_of(folder, host="localhost", local_hostname=RELAY), zone)["SPF"]

    assert not nameless.looked
    assert named.looked
    assert named.fix is None


# ---------------------------------------------------------------- DKIM


def test_a_missing_key_is_told_with_the_record_of_the_key_that_signs(
    zone: DnsServer, folder: Path
) -> None:
    zone.publish(SELECTOR, "TXT")
    setup = sender_setup(settings_of(folder)).dkim
    assert setup is not None

    line = look(settings_of(folder), zone)["DKIM"]

    assert not line.ok
    assert line.fix == f'publish {SELECTOR} TXT "{setup.published}"'


def test_another_key_than_the_one_that_signs_is_told(
    zone: DnsServer, folder: Path, tmp_path: Path
) -> None:
    a_key(tmp_path)

    line = look(settings_of(tmp_path), zone)["DKIM"]

    assert not line.ok
    assert "is not the one that signs" in line.detail


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ("v=DKIM1; k=rsa; p=", "revoked"),
        ("v=DKIM1; k=rsa; p=MIIB%%%", "not base64"),
        ("v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0B", "no RSA key"),
        ("v=DKIM1; h=sha1; p=MIIB", "sha256"),
        ("v=DKIM1; k=ed25519; p=MIIB", "no Ed25519"),
        ("v=DKIM2; p=MIIB", "version"),
        ("v=DKIM1; s=chat; p=MIIB", "does not allow email"),
        ("v=DKIM1 k=rsa p", "holds no key"),
    ],
)
def test_a_key_that_nobody_can_use_is_told_with_its_flaw(
    zone: DnsServer, folder: Path, record: str, said: str
) -> None:
    zone.publish_text(SELECTOR, record)

    line = look(settings_of(folder), zone)["DKIM"]

    assert not line.ok
    assert said in line.detail


def test_two_keys_under_one_selector_are_told(zone: DnsServer, folder: Path) -> None:
    zone.publish_text(SELECTOR, "v=DKIM1; p=MIIB", "v=DKIM1; p=MIIC")

    assert "holds 2 keys" in look(settings_of(folder), zone)["DKIM"].detail


def test_a_key_of_1024_bit_is_advice(zone: DnsServer, tmp_path: Path) -> None:
    a_key(tmp_path, 1024)
    setup = sender_setup(settings_of(tmp_path)).dkim
    assert setup is not None
    assert setup.published is not None
    zone.publish_text(SELECTOR, setup.published)

    line = look(settings_of(tmp_path), zone)["DKIM"]

    assert line.ok
    assert line.fix is not None
    assert "2048" in line.fix


def test_a_key_file_that_cannot_be_read_leaves_open_whether_the_record_is_ours(
    zone: DnsServer, tmp_path: Path
) -> None:
    line = look(settings_of(tmp_path), zone)["DKIM"]

    assert not line.looked
    assert "whether it is ours cannot be told" in line.detail


# ---------------------------------------------------------------- DMARC


def test_a_missing_policy_is_told_with_a_record_at_the_zone_of_the_sender(
    zone: DnsServer, folder: Path
) -> None:
    zone.publish(f"_dmarc.{DOMAIN}", "TXT")
    settings = settings_of(folder).model_copy(
        update={
            "sender": settings_of(folder).sender.model_copy(
                update={"from_email": f"digest@daily.{DOMAIN}"}
            )
        }
    )

    line = look(settings, zone)["DMARC"]

    assert not line.ok
    assert line.fix is not None
    assert '_dmarc.letters.test TXT "v=DMARC1; p=none; rua=mailto:dmarc@letters.test"' in line.fix


@pytest.mark.parametrize(
    ("records", "said"),
    [
        (("v=DMARC1; p=none", "v=DMARC1; p=reject"), "there are 2 of them"),
        (("v=DMARC1; p=maybe",), "p=maybe"),
        (("v=DMARC1; rua=mailto:a@letters.test",), "no p="),
        (("v=DMARC1; p",), "not of the form"),
    ],
)
def test_a_policy_that_does_not_count_is_told(
    zone: DnsServer, folder: Path, records: tuple[str, ...], said: str
) -> None:
    zone.publish_text(f"_dmarc.{DOMAIN}", *records)

    line = look(settings_of(folder), zone)["DMARC"]

    assert not line.ok
    assert said in line.detail


def test_strict_alignment_counts_only_the_very_domain(zone: DnsServer, tmp_path: Path) -> None:
    zone.publish_text(f"_dmarc.{DOMAIN}", "v=DMARC1; p=none; aspf=s; adkim=s")
    a_key(tmp_path)
    settings = settings_of(tmp_path, dkim_domain=f"sub.{DOMAIN}")

    line = look(settings, zone)["alignment"]

    assert not line.ok
    assert "neither SPF (bounces.letters.test) nor DKIM (sub.letters.test)" in line.detail


def test_where_the_relay_signs_its_alignment_is_not_known(zone: DnsServer, folder: Path) -> None:
    zone.publish_text(f"_dmarc.{DOMAIN}", "v=DMARC1; p=none; aspf=s")
    settings = settings_of(folder, dkim_domain=None, dkim_key_file=None)

    found = look(settings, zone)

    assert not found["DKIM"].looked
    assert not found["alignment"].looked


def test_the_senders_of_single_lists_are_looked_at_too(zone: DnsServer, folder: Path) -> None:
    lines = look_at_dns(
        settings_of(folder), resolver=zone.resolver(), from_emails=["x@other-letters.test"]
    )

    wrong = {
        (line.name, line.domain) for line in lines if isinstance(line, DnsHealth) and not line.ok
    }
    assert wrong == {("DMARC", "other-letters.test"), ("alignment", "other-letters.test")}


# ---------------------------------------------------------------- hosts


def test_a_bounce_domain_without_mail_is_told(zone: DnsServer, folder: Path) -> None:
    zone.publish(f"bounces.{DOMAIN}", "MX")
    none = look(settings_of(folder), zone)["bounce MX"]
    zone.publish(f"bounces.{DOMAIN}", "MX", "0 .")
    refused = look(settings_of(folder), zone)["bounce MX"]
    zone.publish(f"bounces.{DOMAIN}", "MX", "10 gone.letters.test.")
    dead = look(settings_of(folder), zone)["bounce MX"]

    assert [line.ok for line in (none, refused, dead)] == [False, False, False]
    assert "takes no mail" in refused.detail
    assert "gone.letters.test" in dead.detail


def test_a_reverse_name_that_does_not_lead_back_is_told(zone: DnsServer, folder: Path) -> None:
    zone.publish("7.45.51.198.in-addr.arpa", "PTR", "host7.provider.test.")

    line = look(settings_of(folder), zone)["reverse DNS"]

    assert not line.ok
    assert line.fix is not None
    assert "7.45.51.198.in-addr.arpa PTR mail.letters.test" in line.fix


def test_pages_that_nobody_finds_are_told(zone: DnsServer, folder: Path) -> None:
    zone.publish(f"news.{DOMAIN}", "A")
    gone = look(settings_of(folder), zone)["base_url host"]
    zone.publish(f"news.{DOMAIN}", "A", "10.0.0.5")
    inside = look(settings_of(folder), zone)["base_url host"]

    assert not gone.ok
    assert inside.ok
    assert inside.fix is not None


# ---------------------------------------------------------------- SendGrid


def authenticate(zone: DnsServer, domain: str, *selectors: str) -> None:
    key = zone.records[SELECTOR, "TXT"]
    for selector in selectors:
        target = f"{selector}.domainkey.u1.wl2.sendgrid.net"
        zone.publish(f"{selector}._domainkey.{domain}", "CNAME", f"{target}.")
        zone.publish(target, "TXT", *key)


def test_a_domain_that_is_authenticated_at_sendgrid_is_fine(zone: DnsServer) -> None:
    authenticate(zone, DOMAIN, "s1", "s2")

    found = look(sendgrid_settings(), zone)

    assert all(line.ok and line.fix is None for line in found.values())
    assert "DKIM by letters.test" in found["alignment"].detail
    assert "SPF" not in found


def test_sendgrid_may_sign_for_the_domain_above(zone: DnsServer) -> None:
    authenticate(zone, DOMAIN, "s1", "s2")
    zone.publish(f"daily.{DOMAIN}", "MX", f"10 {RELAY}.")

    found = look(sendgrid_settings(f"daily.{DOMAIN}"), zone)

    assert found["DKIM"].ok
    assert "DKIM by letters.test for daily.letters.test" in found["alignment"].detail


def test_a_domain_that_sendgrid_does_not_know_is_told(zone: DnsServer) -> None:
    line = look(sendgrid_settings(), zone)["DKIM"]

    assert not line.ok
    assert line.fix is not None
    assert "s1._domainkey.letters.test CNAME" in line.fix


def test_one_of_the_two_aliases_is_not_enough(zone: DnsServer) -> None:
    authenticate(zone, DOMAIN, "s1")

    line = look(sendgrid_settings(), zone)["DKIM"]

    assert not line.ok
    assert "s2._domainkey.letters.test is no CNAME" in line.detail


# ---------------------------------------------------------------- what could not be asked


def test_a_broken_zone_is_not_taken_for_a_missing_record(zone: DnsServer, folder: Path) -> None:
    zone.broken.add(SELECTOR)

    found = look(settings_of(folder), zone)
    findings = dns_findings(settings_of(folder), resolver=zone.resolver())

    assert "DKIM" not in found
    assert not found["DNS"].looked
    assert "could not ask about DKIM" in found["DNS"].detail
    assert found["SPF"].ok
    assert [finding.code for finding in findings] == ["dns-not-asked"]


@pytest.mark.slow
def test_a_resolver_that_is_silent_costs_a_few_seconds_and_no_error(
    zone: DnsServer, folder: Path
) -> None:
    zone.silent.add("*")
    began = time.monotonic()

    found = look(settings_of(folder), zone)

    assert set(found) == {"DNS"}
    assert found["DNS"].ok
    assert not found["DNS"].looked
    assert time.monotonic() - began < 30
    assert len(set(zone.asked)) == 2


def test_a_resolver_that_is_cut_off_from_the_world_proves_nothing(
    dns: DnsServer, folder: Path
) -> None:
    found = look(settings_of(folder), dns)
    findings = dns_findings(settings_of(folder), resolver=dns.resolver())

    assert {name: line.looked for name, line in found.items()} == {"DNS": False}
    assert "does not even know .test" in found["DNS"].detail
    assert [finding.code for finding in findings] == ["dns-not-asked"]


def test_findings_are_warnings_with_a_place_a_reason_and_a_record(
    zone: DnsServer, folder: Path
) -> None:
    zone.publish(f"_dmarc.{DOMAIN}", "TXT")

    (finding,) = dns_findings(settings_of(folder), resolver=zone.resolver())

    assert (finding.severity, finding.code) == ("warning", "dns-dmarc")
    assert finding.place == "DNS of letters.test"
    assert finding.why
    assert "publish _dmarc.letters.test TXT" in finding.fix


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"delivery": {"provider": "outbox"}}, "outbox"),
        ({"newsletter": {"base_url": "http://localhost:8000"}}, "localhost"),
        ({"newsletter": {"base_url": "https://news.example.org"}}, "news.example.org"),
        ({"sender": {"from_email": "digest@example.com"}}, "example.com"),
        ({"sender": {}}, "no sender.from_email"),
    ],
)
def test_what_is_no_real_sender_is_skipped_and_asks_nobody(
    zone: DnsServer, changed: dict[str, Any], said: str
) -> None:
    settings = Settings(
        **{
            "newsletter": {"base_url": f"https://news.{DOMAIN}"},
            "sender": {"from_email": f"digest@{DOMAIN}"},
            "delivery": {"provider": "smtp", "smtp": {"host": RELAY}},
            **changed,
        }
    )

    found = look(settings, zone)

    assert set(found) == {"DNS"}
    assert "skipped" in found["DNS"].detail
    assert said in found["DNS"].detail
    assert zone.asked == []
    assert said in (why_dns_is_skipped(settings) or "")
