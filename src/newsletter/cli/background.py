"""What `serve` runs behind the pages: how it is started, how it does, and how it is ended."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol

from newsletter.cli.workspace import Workspace

if TYPE_CHECKING:
    from newsletter.delivery.alert_post import AlertCarrier
    from newsletter.delivery.campaign_runner import CampaignRunner
    from newsletter.delivery.letter_post import LetterPost
    from newsletter.schedule.scheduler import MorningScheduler
    from newsletter.web.office import Vitals

ALWAYS = ("letters", "alerts", "feedback", "daily_feedback")
"""Threads that run in every `serve`, by their names."""
MAILBOX = "bounce-mailbox"
"""The thread that reads the mailbox, where one is set."""


class _Part(Protocol):
    def stop(self) -> None: ...


class Background:
    """All that runs in threads of its own; it lives as long as the stack `running`.

    `send`: campaigns too; `schedule`: schedules too. `start` raises `ConfigurationError` for
    settings that cannot work.
    """

    def __init__(
        self, workspace: Workspace, running: ExitStack, *, send: bool, schedule: bool
    ) -> None:
        self._workspace = workspace
        self._running = running
        self._send = send
        self._schedule = schedule
        self._letters: LetterPost | None = None
        self._alerts: AlertCarrier | None = None
        self._runner: CampaignRunner | None = None
        self._scheduler: MorningScheduler | None = None
        self._wake_feedback: Callable[[], None] | None = None

    def start(self) -> None:
        """Begin with what others wake, and end with what wakes others."""
        from newsletter.cli.alerts import alert_carrier
        from newsletter.cli.campaigns_running import campaigns_running
        from newsletter.cli.feedback_running import feedback_running
        from newsletter.cli.letters import letter_post
        from newsletter.cli.schedules_running import heart_beating, schedules_running
        from newsletter.cli.serve_trouble import Trouble

        workspace, enter = self._workspace, self._running.enter_context
        self._letters = enter(letter_post(workspace))
        self._alerts = enter(alert_carrier(workspace))
        trouble = Trouble(workspace, self._alerts.wake)
        self._wake_feedback = enter(feedback_running(workspace, self._alerts.wake))
        if self._send:
            self._runner = enter(
                campaigns_running(workspace, trouble, after=self._after_a_campaign)
            )
        if self._schedule:
            self._scheduler = enter(
                schedules_running(
                    workspace, trouble, fired=self._wake_campaigns, wake_alerts=self._alerts.wake
                )
            )
        enter(heart_beating(workspace, self._healthy))

    def wake_letters(self) -> None:
        """Tell that a letter waits."""
        if self._letters is not None:
            self._letters.wake()

    def wake_feedback(self) -> None:
        """Tell that events wait to be applied."""
        if self._wake_feedback is not None:
            self._wake_feedback()

    def end_soon(self) -> None:
        """Ask what takes long to end well, from the handler of a signal; returns at once."""
        if self._runner is not None:
            self._runner.stop_soon()

    def end_now(self) -> None:
        """Cut what is on the wire: a second signal."""
        if self._runner is not None:
            self._runner.break_off()

    def end(self) -> None:
        """End it: first what begins new things, then all others side by side."""
        if self._scheduler is not None:
            self._scheduler.stop()
        parts: list[_Part | None] = [self._runner, self._letters, self._alerts]
        threads = [threading.Thread(target=part.stop) for part in parts if part is not None]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def vitals(self) -> Vitals:
        """Say how each part does."""
        from newsletter.web.office import Vitals

        alive = {thread.name for thread in threading.enumerate()}
        names = [*ALWAYS, *([MAILBOX] if self._reads_mailbox else [])]
        problems = {name: None if name in alive else "not running" for name in names}
        if self._runner is not None:
            problems["campaigns"] = self._runner.problem()
        if self._scheduler is not None:
            problems["schedules"] = self._scheduler.problem()
        return Vitals(
            problems=problems,
            sending=len(self._runner.working_on) if self._runner is not None else 0,
            seconds_since_look=self._scheduler.seconds_since_look if self._scheduler else None,
            next_due=self._scheduler.next_due if self._scheduler else None,
        )

    @property
    def _reads_mailbox(self) -> bool:
        return self._workspace.settings.feedback.mailbox.value != "none"

    def _healthy(self) -> bool:
        return not any(self.vitals().problems.values())

    def _wake_campaigns(self) -> None:
        if self._runner is not None:
            self._runner.wake()

    def _after_a_campaign(self) -> None:
        """Apply what came back meanwhile, and tell what the campaign made an operator's matter."""
        self.wake_feedback()
        if self._alerts is not None:
            self._alerts.wake()
