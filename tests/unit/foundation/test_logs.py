"""Logs: structured, on standard error, without addresses or secrets in clear (E9)."""

import json

import pytest

from newsletter.logs import configure_logs, get_logger, mask_address


def test_addresses_and_secrets_are_masked(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(level="info", as_json=True)

    get_logger("delivery").info(
        "batch_claimed", campaign=7, first="ada@example.org", api_key="SG.secret"
    )

    printed = capsys.readouterr()
    event = json.loads(printed.err)
    assert printed.out == ""
    assert event["first"] == "a…@example.org"
    assert event["api_key"] == "…"
    assert (event["event"], event["campaign"], event["room"]) == ("batch_claimed", 7, "delivery")


def test_what_is_no_address_is_masked_whole() -> None:
    assert mask_address("not an address") == "…"
