"""Judges hosts: who takes mail that comes back, the reverse names, and the address of the pages."""

from __future__ import annotations

from ipaddress import ip_address

from newsletter.delivery.outside.dns_asking import Asker
from newsletter.delivery.outside.dns_health import DnsHealth, advice, record, unknown, well, wrong
from newsletter.delivery.outside.sender_setup import SenderSetup
from newsletter.delivery.outside.spf_looks import same_sender, sending_addresses


def look_at_bounces(asker: Asker, domain: str) -> DnsHealth:
    """Judge whether bounces find the domain they are sent to; raises `CouldNotAsk`."""
    return _look_at_mail(
        asker,
        domain,
        "bounce MX",
        why="bounces are lost, dead addresses are mailed for ever, and receivers that "
        "check the return path refuse the mail",
    )


def look_at_replies(asker: Asker, domain: str) -> DnsHealth:
    """Judge whether replies find their domain; raises `CouldNotAsk`."""
    return _look_at_mail(
        asker,
        domain,
        "reply MX",
        why="replies bounce, and some receivers refuse mail that cannot be answered",
    )


def _look_at_mail(asker: Asker, domain: str, name: str, *, why: str) -> DnsHealth:
    hosts = asker.mail_hosts(domain)
    fix = f"publish {record(domain, 'MX', '10 HOST-THAT-READS-ITS-MAIL')}"
    if hosts == ("",):
        return wrong(name, domain, f"{domain} says that it takes no mail", why=why, fix=fix)
    if not hosts:
        if asker.addresses(domain):
            detail = f"{domain} has no MX; its own address is tried"
            return advice(name, domain, detail, why="not every sender tries it", fix=fix)
        return wrong(name, domain, f"{domain} takes no mail: it has no MX", why=why, fix=fix)
    dead = [host for host in hosts[:5] if not asker.addresses(host)]
    if dead and len(dead) == len(hosts[:5]):
        return wrong(
            name,
            domain,
            f"{dead[0]}, which takes the mail of {domain}, has no address",
            why=why,
            fix=f"publish {record(dead[0], 'A', 'ITS-ADDRESS')}, or correct the MX of {domain}",
        )
    return well(name, domain, f"{domain}: {', '.join(hosts[:3])}")


def look_at_reverse(asker: Asker, setup: SenderSetup) -> DnsHealth | None:
    """Judge the reverse names of the server that sends; None where it is the relay's own matter.

    Forward-confirmed: the name that an address has must lead back to it. Raises `CouldNotAsk`.
    """
    if setup.relay_include is not None:
        return None
    host, addresses = sending_addresses(asker, setup)
    if not addresses:
        return unknown(
            "reverse DNS", host, f"by which public address {host} sends cannot be told from here"
        )
    finding = wrong if same_sender(host, setup) else advice
    for address in addresses[:4]:
        names = asker.names_of(address)
        if not any(address in asker.addresses(name) for name in names[:5]):
            has = f"{names[0]}, which does not lead back" if names else "no name"
            return finding(
                "reverse DNS",
                host,
                f"{address} of {host} has {has}",
                why="many receivers refuse mail from an address without a name of its own",
                fix=f"let whoever gave you the address publish "
                f"{record(ip_address(address).reverse_pointer, 'PTR', host)}",
            )
    return well("reverse DNS", host, f"{host} and its addresses lead to one another")


def look_at_pages(asker: Asker, host: str) -> DnsHealth:
    """Judge whether readers find `base_url`; raises `CouldNotAsk`."""
    why = "nobody can unsubscribe, confirm or read in the browser"
    addresses = asker.addresses(host)
    if not addresses:
        return wrong(
            "base_url host",
            host,
            f"{host} has no address",
            why=why,
            fix=f"publish {record(host, 'A', 'ITS-ADDRESS')}, or correct newsletter.base_url",
        )
    private = [address for address in addresses if not address.is_global]
    if private:
        return advice(
            "base_url host",
            host,
            f"{host} is {private[0]}, which only your own network reaches",
            why=why,
            fix=f"look whether {host} has a public address for everybody else",
        )
    return well("base_url host", host, f"{host} is {', '.join(map(str, addresses[:3]))}")
