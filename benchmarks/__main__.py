"""`make bench`: prints a table; numbers worth keeping go to benchmarks/README.md by hand.

`python -m benchmarks smtp sendgrid ledger dkim rendering message archive imports one_click
bounces webhook command` runs only those named.
"""

from __future__ import annotations

import gc
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

import structlog
from tests.fakes.mailings import a_mailing

from benchmarks.archive import archive
from benchmarks.bounces import bounces
from benchmarks.dkim import dkim
from benchmarks.imports import imports
from benchmarks.ledger import ledger_at_scale
from benchmarks.measuring import say, seconds
from benchmarks.one_click import one_click
from benchmarks.rendering import rendering
from benchmarks.sendgrid import sendgrid
from benchmarks.smtp import smtp
from benchmarks.webhook import webhook
from newsletter.clock import SystemClock
from newsletter.digest.parser import load
from newsletter.rendering.mime import MessageTemplate
from newsletter.rendering.render import render

ROOT = Path(__file__).resolve().parents[1]
ROWS = 100_000


def message() -> None:
    """What one message costs once the email is rendered: merged and encoded."""
    identity = a_mailing().identity
    digest = load(ROOT / "digests" / "2026-11-24.md").digest
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
    say(
        f"one message of {size // 1000} kB, merged and encoded", f"{seconds(thousand) * 1e3:.1f} µs"
    )


def command() -> None:
    """How long the help takes."""
    words = [sys.executable, "-m", "newsletter", "--help"]
    spent = median(
        seconds(lambda: subprocess.run(words, stdout=subprocess.DEVNULL, check=True))
        for _ in range(5)
    )
    say("newsletter --help", f"{spent:.2f} s")


PARTS: dict[str, Callable[[], None]] = {
    "smtp": smtp,
    "sendgrid": sendgrid,
    "ledger": ledger_at_scale,
    "dkim": dkim,
    "rendering": rendering,
    "message": message,
    "archive": archive,
    "imports": imports,
    "one_click": one_click,
    "bounces": bounces,
    "webhook": webhook,
    "command": command,
}


def main() -> None:
    """Run the named parts, or everything."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    # As the command line does before it sends.
    gc.collect()
    gc.freeze()
    for name in sys.argv[1:] or PARTS:
        PARTS[name]()


if __name__ == "__main__":
    main()
