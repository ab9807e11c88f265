"""Notices when a digest, a template or the settings change, and tells those who wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from watchfiles import Change, awatch

from newsletter.logs import get_logger
from newsletter.settings import SETTINGS_FILE
from newsletter.web.preview.showing import Showcase

_STEP_MILLISECONDS = 50
"""A burst of changes is over when nothing more came for so long,"""
_BURST_MILLISECONDS = 400
"""and is told after so long at the latest: saving a file is several changes."""
_AGAIN_SECONDS = 1.0
_SLICE_SECONDS = 0.25
_DIGESTS = (".md", ".markdown")


class Watch:
    """Counts the changes of what the page is made of; `revision` is the number of the last one."""

    def __init__(self, showcase: Showcase) -> None:
        self._showcase = showcase
        self._news = asyncio.Event()
        self._stop = asyncio.Event()
        self._ended = False
        self.revision = 1

    def end(self) -> None:
        """Let everybody who waits go; safe in the handler of a signal."""
        self._ended = True

    @property
    def ended(self) -> bool:
        """Whether the preview is about to end."""
        return self._ended

    async def changed(self, seen: int, seconds: float) -> bool:
        """Wait until the revision is another than the one seen; False: it is not, or all ends."""
        end = asyncio.get_running_loop().time() + seconds
        while self.revision == seen and not self._ended:
            left = end - asyncio.get_running_loop().time()
            if left <= 0:
                break
            try:
                # In slices: a signal sets a flag, and no more.
                await asyncio.wait_for(self._news.wait(), min(left, _SLICE_SECONDS))
            except TimeoutError:
                continue
        return self.revision != seen

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Watch while the block runs."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            self._ended = True
            self._stop.set()
            await task

    async def _run(self) -> None:
        polling: bool | None = None
        while not self._stop.is_set():
            try:
                await self._watch_folders(polling)
            except Exception as error:  # noqa: BLE001 - no watch, no reload: try the other way
                get_logger("preview").info("watching_failed", error=type(error).__name__)
                polling = True
                await self._pause()

    async def _watch_folders(self, polling: bool | None) -> None:
        """Watch until the folders to watch are other ones."""
        folders = self._folders()
        # What changed between two watches is shown as well.
        self._tell()
        async for _ in awatch(
            *folders,
            watch_filter=self._concerns_us,
            debounce=_BURST_MILLISECONDS,
            step=_STEP_MILLISECONDS,
            stop_event=self._stop,
            rust_timeout=1000,
            yield_on_timeout=True,
            force_polling=polling,
            poll_delay_ms=300,
            recursive=False,
        ):
            if _:
                self._tell()
            if self._folders() != folders:
                return

    def _tell(self) -> None:
        self.revision += 1
        self._news.set()
        self._news = asyncio.Event()

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._stop.wait(), _AGAIN_SECONDS)
        except TimeoutError:
            return

    def _folders(self) -> list[Path]:
        """Return the folders that are there now, each by itself: no tree of a home is walked."""
        digests, templates = self._showcase.watched()
        below = [path for top in templates for path in sorted(top.rglob("*")) if path.is_dir()]
        wanted = [self._showcase.settings.root, *digests, *templates, *below]
        return [path for path in dict.fromkeys(wanted) if path.is_dir()]

    def _concerns_us(self, _change: Change, name: str) -> bool:
        """Tell whether a file is one that the page is made of: the database beside it is not."""
        path = Path(name)
        digests, templates = self._showcase.watched()
        if any(top == path or top in path.parents for top in templates):
            return not path.name.startswith(".")
        if path.suffix.lower() in _DIGESTS or self._showcase.given == path:
            return path.parent in digests
        file = self._showcase.settings.file
        return path.name == (file.name if file else SETTINGS_FILE)
