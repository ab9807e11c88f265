"""Plays many rounds, several at once, and keeps what is left of those that failed."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from tests.chaos.plans import Plan
from tests.chaos.rounds import Played, Skipped, play
from tests.chaos.tally import Tally
from tests.chaos.workspaces import Templates

Tell = Callable[[str], None]


class Series:
    """Rounds in a folder; failed ones stay there.

    `usual`: seconds an undisturbed send takes, by provider; measured once where it is not given.
    """

    def __init__(
        self, folder: Path, *, tell: Tell, usual: Mapping[str, float] | None = None
    ) -> None:
        self._folder = folder
        self._templates = Templates(folder / "templates")
        self._tell = tell
        self._usual = dict(usual or {})
        self._measuring = threading.Lock()

    def run(self, plans: Sequence[Plan], *, jobs: int, seconds: float | None = None) -> Tally:
        """Play the plans, `jobs` at once, beginning none after so many seconds."""
        tally, begun = Tally(), time.monotonic()
        left = list(reversed(plans))
        under_way: dict[Future[Played], Plan] = {}
        with ThreadPoolExecutor(jobs) as pool:
            while left or under_way:
                if seconds is not None and time.monotonic() - begun > seconds:
                    left.clear()
                while left and len(under_way) < jobs:
                    plan = left.pop()
                    under_way[pool.submit(self._play, plan)] = plan
                done, _ = wait(under_way, return_when=FIRST_COMPLETED)
                for future in done:
                    self._take(tally, under_way.pop(future), future)
        return tally

    def _take(self, tally: Tally, plan: Plan, future: Future[Played]) -> None:
        try:
            played = future.result()
        except Skipped as reason:
            tally.skipped[str(reason)] += 1
            return
        except Exception as error:  # noqa: BLE001 - one broken round must not hide the others
            tally.broken.append(f"{plan.name}: {type(error).__name__}: {error}")
            self._tell(f"round {plan.number}: {plan.provider} {plan.trouble}: BROKEN: {error!r}")
            return
        tally.played.append(played)
        verdict = played.verdict
        self._tell(
            f"round {plan.number}: {plan.provider} {plan.trouble} {plan.policy}, "
            f"{played.messages} messages, {verdict.unknown} unknown, {played.seconds:.1f} s"
            + ("" if verdict.good else ": FAILED")
        )
        if verdict.good:
            shutil.rmtree(played.folder, ignore_errors=True)
            return
        for problem in verdict.problems:
            self._tell(f"  {problem}")
        self._tell(f"  again: python -m tests.chaos {plan.name}; kept: {played.folder}")

    def _play(self, plan: Plan) -> Played:
        folder = self._folder / f"{plan.seed}-{plan.number}"
        shutil.rmtree(folder, ignore_errors=True)
        return play(plan, folder, self._templates, self._usual_seconds(plan.provider))

    def _usual_seconds(self, provider: str) -> float:
        """Measure an undisturbed send."""
        with self._measuring:
            if provider not in self._usual:
                folder = self._folder / f"usual-{provider}"
                shutil.rmtree(folder, ignore_errors=True)
                readers = 800 if provider == "outbox" else 250
                plan = Plan(0, 0, provider, "none", "hold", readers, ())
                played = play(plan, folder, self._templates, 0.0)
                # Its server and its verification take a part of it.
                self._usual[provider] = played.seconds * 0.7
                shutil.rmtree(folder, ignore_errors=True)
            return self._usual[provider]
