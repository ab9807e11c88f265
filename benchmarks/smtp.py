"""The whole SMTP path against Postfix's `smtp-source` and a plain `smtplib` loop, on `smtp-sink`.

Ours is a real send: claims on disk before the first byte, personal links signed, slots merged,
every outcome recorded. `smtp-source` sends the same bytes again and again; the loop sends messages
that were built before.
"""

from __future__ import annotations

import contextlib
import shutil
import smtplib
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.fakes.mailings import envelopes

from benchmarks.measuring import interleaved, say, seconds, spread
from benchmarks.stages import Yard, content_of
from newsletter.clock import SystemClock
from newsletter.delivery.campaigns import load_mailing
from newsletter.providers.base import Mailing
from newsletter.providers.dkim import DkimSigner
from newsletter.providers.smtp import SmtpProvider
from newsletter.settings import Security, SmtpPart

MESSAGES = 8000
LOOP_MESSAGES = 1000
BYTES = 45_000
ROUNDS = 5
CONNECTIONS = 4


@contextlib.contextmanager
def sink() -> Iterator[int]:
    """Run `smtp-sink` on a free port of loopback."""
    program = shutil.which("smtp-sink") or "/usr/sbin/smtp-sink"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            [program, "-u", "nobody", f"127.0.0.1:{port}", "256"],
            cwd=folder,
            stderr=subprocess.DEVNULL,
        )
        try:
            for _ in range(100):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.05)
            yield port
        finally:
            server.kill()
            server.wait()


def source(port: int) -> float:
    """Return the rate of `smtp-source` with 20 sessions."""
    program = shutil.which("smtp-source") or "/usr/sbin/smtp-source"
    words = [program, "-d", "-s", "20", "-l", str(BYTES), "-m", str(MESSAGES)]
    words += ["-f", "daily@news.example", "-t", "reader@example.org", f"127.0.0.1:{port}"]
    return MESSAGES / seconds(lambda: subprocess.run(words, check=True))


def loop(port: int, mailing: Mailing) -> float:
    """Return the rate of a `smtplib.sendmail` loop over messages that are ready."""
    ready = [
        (
            envelope.address,
            mailing.template.build(
                subscriber=envelope.delivery.subscriber,
                address=envelope.address,
                name=envelope.name,
                values=envelope.values,
                at=SystemClock().now(),
            ),
        )
        for envelope in envelopes(LOOP_MESSAGES)
    ]

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", port, local_hostname="client.example") as client:
            for address, message in ready:
                client.sendmail("daily@news.example", address, message)

    return LOOP_MESSAGES / seconds(send)


def ours(yard: Yard, port: int, signer: DkimSigner | None = None) -> float:
    """Return the rate of a whole campaign through the ledger."""
    settings = SmtpPart(
        host="127.0.0.1",
        port=port,
        security=Security.NONE,
        connections=CONNECTIONS,
        messages_per_connection=0,
        local_hostname="client.example",
    )
    campaign = yard.campaign_for("smtp", content_of(BYTES))
    provider = SmtpProvider(settings, yard.clock, signer=signer)
    try:
        sender = yard.full_sender(provider, bounce_domain="bounces.example")
        spent = seconds(lambda: sender.run(campaign))
    finally:
        provider.close()
    assert yard.totals(campaign) == {"accepted": MESSAGES}
    return MESSAGES / spent


def smtp() -> None:
    """Measure and print; says so where Postfix's tools are not installed."""
    if not (shutil.which("smtp-sink") or Path("/usr/sbin/smtp-sink").exists()):
        say("smtp against Postfix's tools", "skipped: apt-get install postfix")
        return
    with tempfile.TemporaryDirectory() as folder, sink() as port:
        yard = Yard(Path(folder), MESSAGES)
        mailing = _mailing(yard)
        rates = interleaved(
            ROUNDS,
            {
                "smtp-source": lambda: source(port),
                "ours": lambda: ours(yard, port),
                "smtplib": lambda: loop(port, mailing),
            },
        )
        for name, values in rates.items():
            say(f"smtp, {BYTES // 1000} kB: {name}", f"{spread(values).middle:8,.0f} messages/s")
        for peer in ("smtp-source", "smtplib"):
            ratios = [a / b for a, b in zip(rates["ours"], rates[peer], strict=True)]
            say(f"smtp: ours against {peer}", f"{spread(ratios)} ×")


def _mailing(yard: Yard) -> Mailing:
    campaign = yard.campaign_for("smtp", content_of(BYTES))
    with yard.database.read() as connection:
        return load_mailing(connection, campaign)


if __name__ == "__main__":
    smtp()
