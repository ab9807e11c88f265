"""One round: a fresh workspace, a disturbed send, calm resumes until it settles, the judgement."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.judge import Evidence, Verdict, judge
from tests.chaos.plans import Blow, Plan
from tests.chaos.running import Commands
from tests.chaos.servers import server_for
from tests.chaos.troubles import (
    PATIENCE,
    RESUME,
    Scene,
    clock_environment,
    clock_library,
    set_clock,
    strike,
)
from tests.chaos.workspaces import Ledger, SmallDisk, Templates

MOST_RESUMES = 12
"""So many undisturbed resumes must do; each takes what one run can."""
VERIFY_SECONDS = 110
SEND = ("send", "latest", "--list", "daily", "--yes", "--json")


class Skipped(Exception):  # noqa: N818 - a round that this machine cannot play is no error
    """The machine lacks what a trouble needs; says what, and how to get it."""


@dataclass(frozen=True)
class Played:
    """A round that was played: what it cost and how it was judged."""

    plan: Plan
    verdict: Verdict
    messages: int
    struck: int
    kills: int
    resumes: int
    drain: float
    seconds: float
    folder: Path


def play(plan: Plan, folder: Path, templates: Templates, usual: float) -> Played:
    """Play one round in `folder`, which is left as evidence; raises `Skipped`.

    `usual`: seconds an undisturbed send of this provider takes.
    """
    begun = time.monotonic()
    desk, notes = folder / "desk", folder / "notes"
    notes.mkdir(parents=True)
    with _disk(plan, desk) as disk:
        templates.copy(plan.readers, desk)
        server = server_for(plan, notes, desk)
        clock = _clock(plan, notes)
        environment = {
            **server.environment(),
            **plan.settings,
            "NEWSLETTER_DELIVERY__ON_UNKNOWN": plan.policy,
            **clock,
        }
        commands = Commands(desk, notes, environment, server.taken)
        scene = Scene(
            plan,
            server,
            Ledger(desk / "newsletter.db"),
            commands,
            random.Random(f"{plan.seed}:{plan.number}:scene"),
            usual,
            disk,
            notes / "clock" if clock else None,
        )
        if clock:
            set_clock(scene, "+0")
        try:
            server.start()
            unknown = _disturb(scene)
            server.start(calm=True)
            resumes = _settle(scene, unknown)
            evidence = _gather(scene, unknown)
        finally:
            server.kill()
        if disk is not None:
            shutil.copytree(desk, folder / "desk-at-the-end")
    return Played(
        plan,
        judge(evidence),
        len(evidence.copies),
        scene.struck,
        scene.kills,
        resumes,
        max((run.drain for run in commands.runs), default=0.0),
        time.monotonic() - begun,
        folder,
    )


def _disturb(scene: Scene) -> set[str]:
    """Let each strike fall on a run of its own; returns who was unknown between the runs."""
    unknown: set[str] = set()
    for blow in scene.plan.strikes:
        if scene.ledger.status() is not None:
            scene.ledger.make_due()
        strike(scene, blow, scene.commands.start(*_next_words(scene)))
        unknown |= _look(scene)
        if scene.ledger.status() in ("sent", "cancelled"):
            break
    return unknown


def _next_words(scene: Scene) -> tuple[str, ...]:
    """Choose how to go on: a send that did not come to freeze is asked anew."""
    status = scene.ledger.status()
    if status is None or (status == "sending" and scene.chance.random() < 0.3):
        return SEND
    return RESUME


def _settle(scene: Scene, unknown: set[str]) -> int:
    """Resume undisturbed until nothing more happens by itself; returns how often."""
    if scene.clock is not None and scene.plan.clock_returns:
        set_clock(scene, "+0")
    for count in range(MOST_RESUMES):
        if scene.ledger.status() is not None and scene.ledger.settled():
            return count
        scene.ledger.make_due()
        scene.commands.finish(scene.commands.start(*_next_words(scene)), PATIENCE)
        unknown |= _look(scene)
    return MOST_RESUMES


def _look(scene: Scene) -> set[str]:
    """Look at what is there while nobody sends."""
    scene.server.look()
    return scene.ledger.unknown()


def _gather(scene: Scene, unknown: set[str]) -> Evidence:
    """Collect what the provider and the ledger say at the end."""
    plan, ledger = scene.plan, scene.ledger
    findings = _verify(scene)
    rows = ledger.rows()
    witness = scene.server.witness({row.subscriber: row.address for row in rows})
    return Evidence(
        policy=plan.policy,
        status=ledger.status() or "",
        recipients=ledger.recipients(),
        rows=rows,
        copies=witness.copies,
        lost_answers=witness.lost_answers,
        ever_unknown=frozenset(unknown),
        excuse=scene.excuse + witness.excuse,
        refused=witness.refused,
        nameless=witness.nameless,
        left=frozenset(scene.left),
        may_expire=scene.may_expire,
        mixed=witness.mixed,
        # With a clock that jumped, the order of two times says nothing.
        claimed_after_leaving=0 if scene.clock else ledger.claimed_after_leaving(),
        runs=tuple(scene.commands.runs),
        verify=findings,
    )


def _verify(scene: Scene) -> tuple[str, ...]:
    """Ask the program itself for its invariants (I1-I8)."""
    command = scene.commands.start("verify", "--json")
    command.process.wait(VERIFY_SECONDS)
    if command.process.returncode == 0:
        return ()
    out = command.errors.with_suffix(".out").read_text("utf-8", "replace")
    said = command.errors.read_text("utf-8", "replace").strip()
    try:
        broken = [found for found in json.loads(out)["invariants"] if not found["ok"]]
    except (ValueError, KeyError, TypeError):
        return (f"exit code {command.process.returncode}: {said[-300:]}",)
    if scene.clock is not None:
        # With a clock that jumped, the order of two times says nothing.
        broken = [found for found in broken if found["name"] != "I3"]
    return tuple(f"{f['name']}: {f['violations']}: {f['examples']}"[:300] for f in broken)


@contextmanager
def _disk(plan: Plan, desk: Path) -> Iterator[SmallDisk | None]:
    if not plan.has(Blow.DISK):
        yield None
        return
    disk = SmallDisk(desk)
    with ExitStack() as stack:
        try:
            stack.enter_context(disk.mounted())
        except (OSError, subprocess.CalledProcessError):
            raise Skipped("disk: a small tmpfs must be mounted, which takes root") from None
        yield disk


def _clock(plan: Plan, notes: Path) -> dict[str, str]:
    if not plan.has(Blow.CLOCK):
        return {}
    library = clock_library()
    if library is None:
        raise Skipped("clock: needs libfaketime: apt-get install faketime")
    return clock_environment(library, notes / "clock")
