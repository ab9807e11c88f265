"""`make bench`: prints a table; numbers worth keeping go to benchmarks/README.md by hand."""

from __future__ import annotations

import resource
import smtplib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from tests.builders import KEYS, Stage
from tests.fakes.flight import RecordingFlight
from tests.fakes.mailings import a_mailing, envelopes

from newsletter.audience.imports import ImportPolicy, import_subscribers
from newsletter.clock import SystemClock
from newsletter.delivery.ledger import Worker, claim, record
from newsletter.digest.parser import load
from newsletter.providers.base import DeliveryId, Outcome, OutcomeKind
from newsletter.providers.smtp import SmtpProvider
from newsletter.rendering.mime import MessageTemplate
from newsletter.rendering.render import render
from newsletter.settings import Security, SmtpPart

ROOT = Path(__file__).resolve().parents[1]
ROWS = 100_000
MESSAGES = 400
ROUNDS = 5


def seconds(act: Callable[[], object]) -> float:
    """Return how long an act takes."""
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def rendering() -> None:
    """Digest to email, and one message of it."""
    path = ROOT / "digests" / "2026-11-24.md"
    identity = a_mailing().identity
    digest = load(path).digest
    render(digest, identity, templates=Path("/nowhere"))
    parse = median(seconds(lambda: load(path)) for _ in range(50))
    make = median(
        seconds(lambda: render(digest, identity, templates=Path("/nowhere"))) for _ in range(50)
    )
    print(f"digest to model              {parse * 1e3:8.2f} ms")
    print(f"model to HTML and text       {make * 1e3:8.2f} ms")
    content = render(digest, identity, templates=Path("/nowhere"))
    template = MessageTemplate(content, identity, campaign=1, salt="s")
    links = dict.fromkeys(
        ("unsubscribe_url", "preferences_url"), f"https://news.example.org/u/{'t' * 60}"
    )
    now = SystemClock().now()

    def thousand() -> None:
        for number in range(1000):
            template.build(
                subscriber=number,
                address="reader@example.org",
                name="Ada",
                values={"first_name": "Ada", **links},
                at=now,
            )

    size = len(content.html) + len(content.text)
    print(f"one message of {size // 1000} kB        {seconds(thousand) * 1e3:8.1f} µs")


def audience_and_ledger(folder: Path) -> None:
    """Import, freeze, claim and record."""
    clock = SystemClock()
    stage = Stage(folder, clock, readers=0)  # type: ignore[arg-type]
    file = folder / "people.csv"
    rows = "\n".join(f"reader{n}@example.org,Reader {n},Europe/Paris" for n in range(ROWS))
    file.write_text(f"email,name,timezone\n{rows}\n")
    spent = seconds(
        lambda: import_subscribers(
            stage.database,
            file,
            "daily",
            consent="b",
            actor="b",
            keys=KEYS,
            clock=clock,
            policy=ImportPolicy(),
        )
    )
    print(f"import                       {ROWS / spent:8,.0f} rows/s")
    start = time.perf_counter()
    campaign = stage.freeze()
    print(f"freeze of {ROWS:,}            {time.perf_counter() - start:8.2f} s")
    worker = Worker("bench", "boot", stage.sender(None).lease)  # type: ignore[arg-type]
    after, done, start = -1, 0, time.perf_counter()
    while batch := claim(
        stage.database, campaign, worker, KEYS, clock.now(), limit=1000, after=after
    ):
        after = batch.last
        accepted = [
            Outcome(DeliveryId(campaign, r.subscriber), OutcomeKind.ACCEPTED)
            for r in batch.recipients
        ]
        record(stage.database, batch, accepted, clock.now(), jitter=0.5, provider="outbox")
        done += len(accepted)
    print(f"claim and record             {done / (time.perf_counter() - start):8,.0f} rows/s")
    size = (folder / "ledger.db").stat().st_size
    print(f"database with the ledger     {size / ROWS:8,.0f} bytes a subscriber")


def smtp() -> None:
    """Our provider against a plain smtplib loop on the same server, interleaved."""
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.smtp_server"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    port = int(server.stdout.readline().rsplit(" ", 1)[1])
    mailing = a_mailing(text="A line of the text that makes it longer.\n" * 500)
    batch = envelopes(MESSAGES)
    provider = SmtpProvider(
        SmtpPart(host="127.0.0.1", port=port, security=Security.NONE, messages_per_connection=0),
        SystemClock(),
    )
    template = MessageTemplate(mailing.content, mailing.identity, campaign=1, salt="s")
    now = SystemClock().now()

    def ours() -> None:
        list(provider.send(mailing, batch, RecordingFlight()))

    def loop() -> None:
        with smtplib.SMTP("127.0.0.1", port) as client:
            for envelope in batch:
                message = template.build(
                    subscriber=1, address=envelope.address, name="", values=envelope.values, at=now
                )
                client.sendmail("daily@news.example.org", envelope.address, message)

    try:
        ratios = []
        for _ in range(ROUNDS):
            mine, theirs = seconds(ours), seconds(loop)
            ratios.append(theirs / mine)
        spread = f"{min(ratios):.2f}–{max(ratios):.2f}"
        print(f"smtp against a smtplib loop  {median(ratios):8.2f} × ({spread})")
    finally:
        provider.close()
        server.kill()
        server.communicate()


def command_line() -> None:
    """How long the help takes."""
    spent = median(
        seconds(
            lambda: subprocess.run(
                [sys.executable, "-m", "newsletter", "--help"],
                stdout=subprocess.DEVNULL,
                check=True,
            )
        )
        for _ in range(5)
    )
    print(f"newsletter --help            {spent:8.2f} s")


def main() -> None:
    """Run everything."""
    rendering()
    with tempfile.TemporaryDirectory() as folder:
        audience_and_ledger(Path(folder))
    smtp()
    command_line()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"peak memory of this process  {peak:8,} MB")


if __name__ == "__main__":
    main()
