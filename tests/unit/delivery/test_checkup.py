"""What `doctor` says of the settings: who is told of trouble, and whether the provider tells us."""

from __future__ import annotations

from typing import Any

import pytest

from newsletter.delivery.checkup import look_at_settings
from newsletter.settings import Settings

FAR_AWAY: dict[str, Any] = {"provider": "smtp", "smtp": {"host": "mail.example.org"}}


def said(name: str, **settings: Any) -> bool | None:
    """Return whether a line is well; None when it is not there."""
    lines = {line.name: line.ok for line in look_at_settings(Settings(**settings))}
    return lines.get(name)


def test_real_sends_without_anybody_to_tell_are_a_finding() -> None:
    assert said("alerts", delivery=FAR_AWAY) is False


@pytest.mark.parametrize(
    "way",
    [
        {"mail_to": ("ops@example.org",)},
        {"webhook": "https://chat.example.org/hook"},
        {"command": "page-me"},
    ],
)
def test_one_way_of_telling_is_enough(way: dict[str, Any]) -> None:
    assert said("alerts", delivery=FAR_AWAY, alerts=way) is True


def test_nobody_need_be_told_of_what_stays_on_this_machine() -> None:
    assert said("alerts") is None


@pytest.mark.parametrize(("key", "well"), [(None, False), ("a key", True)])
def test_sendgrid_without_its_webhook_is_a_finding(key: str | None, well: bool) -> None:
    delivery = {"provider": "sendgrid", "sendgrid": {"webhook_public_key": key}}

    assert said("event webhook", delivery=delivery) is well


def test_other_providers_have_no_webhook() -> None:
    assert said("event webhook", delivery=FAR_AWAY) is None
