"""Holds what a provider kept against what the ledger says: who was lost, doubled, or is unknown.

Pure: it is given what was seen and opens nothing. The provider's own log is the truth; the ledger
is what stands before the court.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

TAKEN = frozenset({"accepted", "delivered", "bounced", "complained"})
"""States that say the provider took it."""
WAITING = frozenset({"pending", "claimed", "deferred"})
"""States of a recipient who is still to be served."""
EXIT_CODES = frozenset({0, 1, 4, 75})
"""How a command that works on a campaign may end by itself."""
MOST_SHOWN = 5


@dataclass(frozen=True)
class Copy:
    """One message that the provider kept. `mark`: its Message-ID, or its delivery's name."""

    address: str
    mark: str


@dataclass(frozen=True)
class Row:
    """One recipient as the ledger has it at the end."""

    subscriber: int
    address: str
    state: str
    reason: str | None = None


@dataclass(frozen=True)
class Run:
    """One process that ended. `code`: None when it had to be killed because it did not stop."""

    words: str
    code: int | None
    stopped: bool = False
    """Whether it was sent SIGTERM."""
    killed: bool = False
    """Whether it was meant to die by SIGKILL."""
    drain: float = 0.0
    """Seconds from SIGTERM to its end."""
    stderr: str = ""


@dataclass(frozen=True)
class Evidence:
    """Everything that was seen of one round.

    `lost_answers`: addresses whose answer the provider kept back, by its own word. `ever_unknown`:
    addresses that the ledger called unknown between two runs. `excuse`: how many more may have
    become unknown, because a process was killed with so many on the wire. `refused`: addresses
    the provider refused for good, `nameless`: refusals of nobody in particular. `left`: addresses
    that unsubscribed meanwhile. `may_expire`: whether the clock was moved past the campaign's end.
    """

    policy: str
    status: str
    recipients: int
    rows: tuple[Row, ...]
    copies: tuple[Copy, ...]
    lost_answers: frozenset[str] = frozenset()
    ever_unknown: frozenset[str] = frozenset()
    excuse: int = 0
    refused: frozenset[str] = frozenset()
    nameless: int = 0
    left: frozenset[str] = frozenset()
    may_expire: bool = False
    mixed: int = 0
    claimed_after_leaving: int = 0
    runs: tuple[Run, ...] = ()
    verify: tuple[str, ...] = ()
    """What `newsletter verify` found wrong."""


@dataclass(frozen=True)
class Verdict:
    """What became of a round. `doubled`: copies too many; `excused`: those the policy allows."""

    lost: int
    doubled: int
    excused: int
    unknown: int
    """Recipients whose answer was lost at any time, also those resolved since."""
    problems: tuple[str, ...] = field(default=())

    @property
    def good(self) -> bool:
        """Whether everything was as promised."""
        return not self.problems


def judge(seen: Evidence) -> Verdict:
    """Judge one round."""
    copies: defaultdict[str, list[str]] = defaultdict(list)
    for copy in seen.copies:
        copies[copy.address].append(copy.mark)
    rows = {row.address: row for row in seen.rows}
    lost = [*_lost(seen, copies)]
    doubled, excused = _doubled(seen, copies)
    unknown = seen.ever_unknown | {row.address for row in seen.rows if row.state == "unknown"}
    problems = [
        *_named("lost", lost),
        *_named("doubled", doubled),
        *_named("a state that the provider's log denies", [*_denied(seen, copies)]),
        *_strangers(copies, rows),
        *_marks(copies),
        *_sums(seen),
        *_unknown_without_reason(seen, unknown),
        *_together(_runs(seen)),
        *(f"verify: {finding}" for finding in seen.verify),
    ]
    return Verdict(len(lost), sum(n for _, n in doubled), excused, len(unknown), tuple(problems))


def _lost(seen: Evidence, copies: Mapping[str, list[str]]) -> Iterator[tuple[Row, int]]:
    """Yield who has no copy, and no state that tells truly why."""
    nameless = seen.nameless
    for row in seen.rows:
        if copies.get(row.address):
            continue
        match row.state:
            case "unknown":
                explained = True
            case "rejected":
                explained = row.address in seen.refused or nameless > 0
                nameless -= row.address not in seen.refused
            case "skipped":
                explained = row.address in seen.left or seen.status == "cancelled"
            case "expired":
                explained = seen.may_expire
            case _:
                # Accepted without a copy, or never served at all.
                explained = False
        if not explained:
            yield row, 1


def _doubled(seen: Evidence, copies: Mapping[str, list[str]]) -> tuple[list[tuple[Row, int]], int]:
    """Return who has more copies than the policy allows, and how many it allowed."""
    doubled, excused = [], 0
    uncertain = _uncertain(seen)
    for row in seen.rows:
        more = len(copies.get(row.address, ())) - 1
        if more <= 0:
            continue
        allowed = 1 if seen.policy == "retry" and row.address in uncertain else 0
        excused += min(more, allowed)
        if more > allowed:
            doubled.append((row, more - allowed))
    return doubled, excused


def _denied(seen: Evidence, copies: Mapping[str, list[str]]) -> Iterator[tuple[Row, int]]:
    """Yield rows that say nothing was taken, though the provider kept it.

    Who waits would get it again. An end such as `skipped` is true all the same where the policy
    sent an unknown message on its second way, and that one was refused, or came to nothing.
    """
    second_way = _uncertain(seen) if seen.policy == "retry" else frozenset()
    for row in seen.rows:
        if copies.get(row.address) and (
            row.state in WAITING
            or (row.state in ("rejected", "skipped", "expired") and row.address not in second_way)
        ):
            yield row, 1


def _uncertain(seen: Evidence) -> frozenset[str]:
    return seen.lost_answers | seen.ever_unknown


def _strangers(copies: Mapping[str, list[str]], rows: Mapping[str, Row]) -> Iterator[str]:
    strangers = len(copies.keys() - rows.keys())
    if strangers:
        yield f"{strangers} addresses got a copy and are no recipients"


def _marks(copies: Mapping[str, list[str]]) -> Iterator[str]:
    """Yield where a Message-ID is missing, differs between copies, or is shared (A2)."""
    owners: dict[str, str] = {}
    differing = shared = 0
    for address, marks in copies.items():
        differing += len(set(marks)) > 1
        for mark in set(marks):
            shared += owners.setdefault(mark, address) != address
    if differing:
        yield f"{differing} recipients got copies with different Message-IDs"
    if shared:
        yield f"{shared} Message-IDs went to more than one recipient"


def _sums(seen: Evidence) -> Iterator[str]:
    if not seen.recipients:
        yield "the campaign was never frozen"
    if len(seen.rows) != seen.recipients:
        yield f"I1: {len(seen.rows)} rows for {seen.recipients} recipients"
    waiting = sum(row.state in WAITING for row in seen.rows)
    if waiting and seen.status in ("sent", "cancelled"):
        yield f"{waiting} wait in a campaign that is {seen.status}"
    if seen.mixed:
        yield f"{seen.mixed} messages went to somebody else than their To says"
    if seen.claimed_after_leaving:
        yield f"I3: {seen.claimed_after_leaving} were claimed after they had left"


def _unknown_without_reason(seen: Evidence, unknown: frozenset[str]) -> Iterator[str]:
    """Yield when more became unknown than answers were lost and messages on the wire of the dead.

    That bound is the promise: one message a connection (SMTP), the calls under way (SendGrid).
    """
    unexplained = len(unknown - seen.lost_answers)
    if unexplained > seen.excuse:
        yield f"{unexplained} unknown without a lost answer; {seen.excuse} may be"


def _runs(seen: Evidence) -> Iterator[str]:
    for run in seen.runs:
        if "Traceback" in run.stderr:
            last = [line for line in run.stderr.splitlines() if line.strip()][-1]
            yield f"{run.words}: a traceback: {last[:200]}"
        if run.code is None:
            yield f"{run.words}: did not stop within 30 s of SIGTERM"
        elif run.code not in EXIT_CODES and not (
            # A signal before the command was ready for it ends it at once, with nothing begun.
            (run.killed and run.code == -9) or (run.stopped and run.code == -15)
        ):
            yield f"{run.words}: exit code {run.code}"


def _together(problems: Iterable[str]) -> Iterator[str]:
    for problem, count in Counter(problems).items():
        yield f"{problem} ({count} times)" if count > 1 else problem


def _named(what: str, found: list[tuple[Row, int]]) -> Iterator[str]:
    """Say how many, and name a few by their number and state: never by address."""
    if found:
        some = ", ".join(
            f"{row.subscriber} ({row.state}{f' {row.reason}' if row.reason else ''})"
            for row, _ in found[:MOST_SHOWN]
        )
        yield f"{what}: {sum(n for _, n in found)}: subscribers {some}"
