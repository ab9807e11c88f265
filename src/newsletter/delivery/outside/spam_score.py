"""Asks SpamAssassin what it thinks of a message, by its local rules alone (B8).

No network, and nothing of the user's: rules about the way a message took, its sender's history
and learned words belong to the receiver. Where the program is not installed nothing is said.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from newsletter.delivery.outside.kinds import SPAM_KINDS
from newsletter.digest.codes import make_finding
from newsletter.digest.model import Finding, Severity
from newsletter.errors import NewsletterError

_PREFERENCES = """\
use_bayes 0
skip_rbl_checks 1
dns_available no
required_score {threshold}
report_safe 0
clear_report_template
report {mark}
report _SCORE_ of _REQD_
report _SUMMARY_
report {mark}
"""
_RULE = re.compile(r"\s*(-?[0-9]+(?:\.[0-9]+)?)\s+([A-Z][A-Z0-9_]{2,})\s+(.*)")
_MORE = re.compile(r"\s{20,}(\S.*)")
_PLACE = "whole message"
_WORTH_TELLING = 0.05
"""Rules of fewer points are SpamAssassin's own notes."""


@dataclass(frozen=True, slots=True)
class SpamRule:
    """One rule that matched."""

    name: str
    points: float
    description: str


@dataclass(frozen=True, slots=True)
class SpamScore:
    """What the rules add up to; from `threshold` on a message counts as spam."""

    score: float
    threshold: float
    rules: tuple[SpamRule, ...]


class NotScored(NewsletterError):  # noqa: N818 - it says what did not happen
    """SpamAssassin could not be run, took too long, or said nothing that could be read."""


def find_spamassassin() -> str | None:
    """Return the path of the program; None where it is not installed."""
    return shutil.which("spamassassin")


def score(message: bytes, program: str, *, seconds: float = 60) -> SpamScore:
    """Score a whole RFC 5322 message as SpamAssassin does without the network.

    It runs with an empty home of its own. Raises `NotScored`, at the latest after `seconds`.
    """
    mark = f"score-{secrets.token_hex(8)}"
    with tempfile.TemporaryDirectory(prefix="newsletter-spam-") as home:
        preferences = Path(home) / "preferences"
        preferences.write_text(_PREFERENCES.format(mark=mark, threshold=5), encoding="ascii")
        words = [
            program,
            "--local",
            "--test-mode",
            "--nocreate-prefs",
            f"--prefspath={preferences}",
        ]
        environment = {"HOME": home, "LC_ALL": "C.UTF-8", "PATH": os.environ.get("PATH", "")}
        try:
            # The path comes from the search for the program, the rest is ours; no shell.
            done = subprocess.run(  # noqa: S603
                words,
                input=message,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                cwd=home,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise NotScored(f"SpamAssassin gave no answer within {seconds:g} s") from None
        except OSError as error:
            raise NotScored(f"SpamAssassin cannot be run: {error.strerror}") from None
    return _read(done.stdout.decode("utf-8", "replace"), mark)


def spam_findings(
    message: bytes,
    *,
    limit: float,
    program: str | None = None,
    seconds: float = 60,
    on_score: Callable[[SpamScore], object] | None = None,
) -> tuple[Finding, ...]:
    """Return what a spam filter finds in a message from `limit` points on.

    An error from its own threshold on, a warning below. `program` None: where it is found;
    without one there are no findings. `on_score` is told of the score, however good.
    """
    found = program or find_spamassassin()
    if found is None:
        return ()
    try:
        judged = score(message, found, seconds=seconds)
    except NotScored as problem:
        fix = "run 'spamassassin --lint' and look at what it says"
        return (make_finding(SPAM_KINDS, "spam-not-scored", problem.problem, fix, place=_PLACE),)
    if on_score is not None:
        on_score(judged)
    if judged.score < min(limit, judged.threshold):
        return ()
    finding = make_finding(
        SPAM_KINDS,
        "spam-score",
        f"SpamAssassin gives {judged.score:.1f} of the {judged.threshold:.1f} points "
        f"that make spam: {_told(judged)}",
        "change what these rules name, the one with most points first",
        place=_PLACE,
    )
    if judged.score < judged.threshold:
        return (finding,)
    why = "filters of this kind put it among the spam"
    return (replace(finding, severity=Severity.ERROR, why=why),)


def _told(judged: SpamScore) -> str:
    worst = sorted(judged.rules, key=lambda rule: -rule.points)
    told = [
        f"{rule.name} {rule.points:+.1f} ({rule.description})"
        for rule in worst
        if abs(rule.points) >= _WORTH_TELLING
    ]
    return "; ".join(told[:12]) or "by no single rule"


def _read(output: str, mark: str) -> SpamScore:
    """Read the report; the mark keeps a message from bringing a report of its own."""
    parts = output.split(mark)
    head, _, table = parts[-2].strip().partition("\n") if len(parts) >= 3 else ("", "", "")
    sums = re.fullmatch(r"(-?[0-9.]+) of ([0-9.]+)", head.strip())
    if sums is None:
        raise NotScored("SpamAssassin said nothing that could be read")
    rules: list[SpamRule] = []
    for line in table.splitlines():
        if match := _RULE.fullmatch(line):
            rules.append(SpamRule(match[2], float(match[1]), _clean(match[3])))
        elif rules and (more := _MORE.fullmatch(line)):
            last = rules[-1]
            rules[-1] = SpamRule(last.name, last.points, f"{last.description} {_clean(more[1])}")
    return SpamScore(float(sums[1]), float(sums[2]), tuple(rules))


def _clean(text: str) -> str:
    return "".join(c for c in " ".join(text.split()) if c.isprintable())
