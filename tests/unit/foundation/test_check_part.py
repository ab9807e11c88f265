"""`[check]` in the settings: resolvers are addresses, with a port where need be."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from newsletter.settings.check_part import CheckPart, split_resolver


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("192.0.2.53", ("192.0.2.53", 53)),
        ("192.0.2.53:5353", ("192.0.2.53", 5353)),
        ("2001:db8::1", ("2001:db8::1", 53)),
        ("[2001:db8::1]:5353", ("2001:db8::1", 5353)),
    ],
)
def test_a_resolver_is_an_address_with_or_without_a_port(
    written: str, meant: tuple[str, int]
) -> None:
    assert CheckPart(dns_resolvers=(written,)).dns_resolvers == (written,)
    assert split_resolver(written) == meant


@pytest.mark.parametrize("written", ["dns.example.org", "192.0.2.53:99999", "192.0.2", "", "[::1"])
def test_what_is_no_address_is_refused_with_an_example(written: str) -> None:
    with pytest.raises(ValidationError, match=r"192\.0\.2\.53:53"):
        CheckPart(dns_resolvers=(written,))
