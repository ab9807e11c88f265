"""What SendGrid says with 401 and 403 reaches the operator with advice that fits it."""

from __future__ import annotations

import pytest
from tests.fakes.sendgrid_faults import Answer
from tests.fakes.sendgrid_sending import send

from newsletter.clock import SettableClock
from newsletter.providers.base import AccountProblem

KEY_UNKNOWN = "SendGrid does not know this key"


@pytest.mark.parametrize(
    ("status", "words", "problem", "advice"),
    [
        (
            403,
            "The from address does not match a verified Sender Identity. Mail cannot be sent until"
            " this error is resolved.",
            "SendGrid refuses the sender",
            "verify that address",
        ),
        (401, "Maximum credits exceeded", "SendGrid's credits are used up", "raise the plan"),
        (403, "You have exceeded your sending limits", "SendGrid's credits are used up", "plan"),
        (401, "Your trial has ended", "SendGrid asks to settle the account", "Products"),
        (403, "Your account is under review", "SendGrid has stopped this account", "support"),
        (401, "This account has been suspended.", "SendGrid has stopped this account", "log in"),
        (403, "access forbidden", "SendGrid's key lacks a permission", "'Mail Send'"),
        (
            403,
            "authenticated user is not authorized to send mail",
            "SendGrid's key lacks a permission",
            "'Mail Send'",
        ),
        (
            401,
            "The provided authorization grant is invalid, expired, or revoked",
            KEY_UNKNOWN,
            "make a new key",
        ),
        (401, "Permission denied, wrong credentials", "SendGrid's key lacks", "permission"),
        (401, "authorization required", KEY_UNKNOWN, "delivery.sendgrid.api_key"),
        (401, "Bad username / password", KEY_UNKNOWN, "make a new key"),
        (
            403,
            "Your IP address is not on the allowlist",
            "does not take calls from this machine's address",
            "IP Access Management",
        ),
        (403, "something quite new", "SendGrid refuses the call", "see what SendGrid says"),
    ],
)
def test_the_advice_fits_what_sendgrid_said(
    clock: SettableClock, status: int, words: str, problem: str, advice: str
) -> None:
    with pytest.raises(AccountProblem) as caught:
        send(clock, [Answer(status, {"errors": [{"message": words, "field": None}]})])

    told = str(caught.value)
    assert problem in told
    assert f"({status}): {words[:40]}" in told
    assert advice in str(caught.value.fix)
    assert "refuses this key" not in told
