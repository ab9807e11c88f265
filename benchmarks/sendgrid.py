"""The whole SendGrid path against the bare official client that posts the same bodies.

Ours is a real send: claims on disk before the first byte, links signed, every outcome recorded.
The bare client is handed bodies that were built before, 1,000 recipients each, one after the other;
it opens a connection for each call, as it does.
"""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from sendgrid import SendGridAPIClient
from tests.fakes.mailings import a_mailing, envelopes

from benchmarks.measuring import interleaved, say, seconds, spread
from benchmarks.stages import Yard, content_of
from newsletter.providers.base import Mailing
from newsletter.providers.sendgrid import SendgridProvider
from newsletter.providers.sendgrid_body import CallForm
from newsletter.settings import SendgridPart

RECIPIENTS = 20_000
PER_CALL = 1000
BYTES = 45_000
ROUNDS = 5
KEY = "SG.bench"


@contextlib.contextmanager
def api() -> Iterator[str]:
    """Run the quick stand-in; gives its URL."""
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.quick_api"], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
    finally:
        server.kill()
        server.communicate()


def bodies() -> list[dict[str, Any]]:
    """Return what ours would post, as plain dicts."""
    import json

    content = content_of(BYTES)
    base = a_mailing()
    mailing = Mailing(7, content, base.identity, base.message_id_salt)
    form = CallForm(mailing, sandbox=False)
    people = [form.personal(envelope) for envelope in envelopes(RECIPIENTS)]
    calls = [people[n : n + PER_CALL] for n in range(0, RECIPIENTS, PER_CALL)]
    return [json.loads(form.body(call)) for call in calls]


def bare(url: str, calls: list[dict[str, Any]]) -> float:
    """Return recipients a second of the bare client."""
    client = SendGridAPIClient(KEY, host=url).client

    def post() -> None:
        for body in calls:
            answer = client.mail.send.post(request_body=body)
            assert answer.status_code == 202

    return RECIPIENTS / seconds(post)


def ours(yard: Yard, url: str) -> float:
    """Return recipients a second of a whole campaign through the ledger."""
    settings = SendgridPart(
        host=url, personalizations=PER_CALL, calls_in_flight=2, timeout=timedelta(seconds=30)
    )
    campaign = yard.campaign_for("sendgrid", content_of(BYTES))
    provider = SendgridProvider(settings, yard.clock, api_key=KEY)
    try:
        spent = seconds(lambda: yard.full_sender(provider).run(campaign))
    finally:
        provider.close()
    assert yard.totals(campaign) == {"accepted": RECIPIENTS}
    return RECIPIENTS / spent


def sendgrid() -> None:
    """Measure and print."""
    logging.getLogger("python_http_client").setLevel(logging.CRITICAL)
    calls = bodies()
    with tempfile.TemporaryDirectory() as folder, api() as url:
        yard = Yard(Path(folder), RECIPIENTS)
        rates = interleaved(
            ROUNDS, {"bare client": lambda: bare(url, calls), "ours": lambda: ours(yard, url)}
        )
    for name, values in rates.items():
        say(f"sendgrid: {name}", f"{spread(values).middle:8,.0f} recipients/s")
    ratios = [a / b for a, b in zip(rates["ours"], rates["bare client"], strict=True)]
    say("sendgrid: ours against the bare client", f"{spread(ratios)} ×")


if __name__ == "__main__":
    sendgrid()
