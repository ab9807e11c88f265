"""The blows: each starts when its moment has come and ends when the disturbed command has."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.plans import Blow, Moment, Plan, Strike
from tests.chaos.running import LOOK, Command, Commands
from tests.chaos.servers import Server
from tests.chaos.workspaces import Ledger, SmallDisk

RESUME = ("campaigns", "resume", "1", "--json")
PATIENCE = 4.0
"""Seconds without a message after which a sender that waits is stopped."""
LONGEST_AGONY = 0.6
"""Seconds a sender lives on behind a deadly blow, at most."""
LONGEST_LOCK = 13.0
"""Longer than the program waits for a locked database."""
LONGEST_MOMENT = 20.0
_JUMPS = ("+20m", "-20m", "+3h", "-3h", "+13h", "-2d")
"""Beyond a lease, beyond a retry, beyond the campaign's end, and back."""
_LIBRARIES = Path("/usr/lib")
_FAKETIME = "*/faketime/libfaketimeMT.so.1"


@dataclass
class Scene:
    """What the blows of a round work on, and what they note for the judge."""

    plan: Plan
    server: Server
    ledger: Ledger
    commands: Commands
    chance: random.Random
    usual: float
    """Seconds an undisturbed send takes."""
    disk: SmallDisk | None = None
    clock: Path | None = None
    """The file that the faked clock follows."""
    left: set[str] = field(default_factory=set)
    excuse: int = 0
    struck: int = 0
    """Blows that fell while the command was at work."""
    kills: int = 0
    may_expire: bool = False


def strike(scene: Scene, blow: Strike, command: Command) -> None:
    """Wait for the moment and let the blow fall on a command that is starting."""
    _await(scene, blow.moment, command)
    scene.struck += not command.ended
    _BLOWS[blow.blow](scene, blow, command)


def _await(scene: Scene, moment: Moment, command: Command) -> None:
    until = command.started + LONGEST_MOMENT
    if moment.by_messages:
        taken = scene.server.taken()
        wanted = taken + 1 + int(moment.share * max(0, scene.plan.readers - taken - 1))
        while not command.ended and scene.server.taken() < wanted and time.monotonic() < until:
            time.sleep(LOOK)
    else:
        until = command.started + moment.share * scene.usual
        while not command.ended and time.monotonic() < until:
            time.sleep(LOOK)
    time.sleep(moment.jitter)


def _end(scene: Scene, blow: Strike, command: Command, patience: float = PATIENCE) -> None:
    """Let the command end by itself, or soon by SIGKILL where the blow is deadly."""
    if blow.deadly:
        until = time.monotonic() + scene.chance.random() * LONGEST_AGONY
        while time.monotonic() < until and not command.ended:
            time.sleep(LOOK)
        _kill(scene, blow, command)
    else:
        scene.commands.finish(command, patience)


def _kill(scene: Scene, _blow: Strike, command: Command) -> None:
    if scene.commands.kill(command).code == -9:
        scene.kills += 1
        scene.excuse += scene.server.in_flight


def _stop(scene: Scene, _blow: Strike, command: Command) -> None:
    if scene.plan.patient:
        scene.excuse += scene.server.in_flight
        scene.server.freeze()
        time.sleep(scene.chance.random() * 0.1)
    scene.commands.stop(command)
    # What was on its way to it may still be kept, though nobody waits for the answer.
    scene.server.thaw()


def _rival(scene: Scene, blow: Strike, command: Command) -> None:
    rival = scene.commands.start(*RESUME)
    if blow.deadly:
        _end(scene, blow, command)
    scene.commands.finish(rival, PATIENCE)
    if not blow.deadly:
        _end(scene, blow, command)


def _pause(scene: Scene, blow: Strike, command: Command) -> None:
    scene.commands.finish(scene.commands.start("campaigns", "pause", "1", "--json"), 30)
    _end(scene, blow, command)


def _cancel(scene: Scene, blow: Strike, command: Command) -> None:
    scene.commands.finish(scene.commands.start("campaigns", "cancel", "1", "--json"), 30)
    _end(scene, blow, command)


def _leave(scene: Scene, blow: Strike, command: Command) -> None:
    people = {row.subscriber: row.address for row in scene.ledger.rows()}
    count = min(len(people), 1 + int(blow.strength * 4))
    leaving = scene.chance.sample(sorted(people), count)
    started = [
        scene.commands.start("subscribers", "unsubscribe", people[number], "--json")
        for number in leaving
    ]
    scene.left.update(people[number] for number in leaving)
    for one in started:
        scene.commands.finish(one, 30)
    _end(scene, blow, command)


def _crash_server(scene: Scene, blow: Strike, command: Command) -> None:
    scene.server.kill()
    scene.excuse += scene.server.in_flight
    time.sleep(blow.strength)
    scene.server.start()
    _end(scene, blow, command)


def _fill_disk(scene: Scene, blow: Strike, command: Command) -> None:
    assert scene.disk is not None
    scene.disk.fill(int(blow.strength * 300_000))
    # An answer that could not be noted is unknown to the next process.
    scene.excuse += scene.server.in_flight
    _end(scene, blow, command, PATIENCE * 3)
    scene.disk.free()


def _lock(scene: Scene, blow: Strike, command: Command) -> None:
    hold = LONGEST_LOCK if blow.strength > 0.6 else blow.strength * 3
    until = time.monotonic() + hold
    with scene.ledger.held():
        if blow.deadly:
            _end(scene, blow, command)
        while time.monotonic() < until and not command.ended:
            time.sleep(0.02)
    if not blow.deadly:
        _end(scene, blow, command)


def _jump(scene: Scene, blow: Strike, command: Command) -> None:
    set_clock(scene, _JUMPS[int(blow.strength * 0.999 * len(_JUMPS))])
    _end(scene, blow, command)


_BLOWS: Mapping[Blow, Callable[[Scene, Strike, Command], None]] = {
    Blow.KILL: _kill,
    Blow.STOP: _stop,
    Blow.RIVAL: _rival,
    Blow.PAUSE: _pause,
    Blow.CANCEL: _cancel,
    Blow.LEAVE: _leave,
    Blow.SERVER: _crash_server,
    Blow.DISK: _fill_disk,
    Blow.LOCK: _lock,
    Blow.CLOCK: _jump,
    Blow.FAULTS: _end,
}


def set_clock(scene: Scene, offset: str) -> None:
    """Move the sender's clock by an offset from the true time, as `+3h`."""
    assert scene.clock is not None
    # A longer jump forward than the campaign lives: what has not left expires.
    scene.may_expire |= offset == "+13h"
    new = scene.clock.with_suffix(".new")
    new.write_text(f"{offset}\n", encoding="ascii")
    new.rename(scene.clock)


def clock_library() -> str | None:
    """Return the library that fakes a process's clock; None where it is not installed."""
    return next(map(str, _LIBRARIES.glob(_FAKETIME)), None)


def clock_environment(library: str, file: Path) -> dict[str, str]:
    """Return the environment that lets a process follow a clock file."""
    return {
        "LD_PRELOAD": library,
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        # The steady clock stays steady, as it does when a machine's time is set.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
