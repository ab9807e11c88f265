"""Opens sample emails in a real Thunderbird on a screen of its own, and takes pictures of it.

    python -m tests.browser.email_thunderbird FOLDER [NAME…]

needs `apt-get install thunderbird xvfb`. It is a command and no test: the program is large, and
what it shows is for people to look at. It fails when a message did not come up, which it tells
by the coloured edge at its top. On dark screens Thunderbird takes the colours out of a message and
sets its own; edges keep theirs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageGrab
from tests.browser.email_samples import message_of, settings_of
from tests.waiting import soon

from newsletter.rendering.theme import theme_of

SAMPLES = ("2026-11-24", "blocks", "right-to-left")
SCREEN = (1000, 1400)
ENOUGH = 1000
"""Pixels of the coloured edge that must be seen."""
_QUIET = """
user_pref("mail.provider.suppress_dialog_on_startup", true);
user_pref("mail.accounthub.enabled", false);
user_pref("mail.shell.checkDefaultClient", false);
user_pref("mail.spotlight.firstRunDone", true);
user_pref("mail.rights.version", 1);
user_pref("mailnews.start_page.enabled", false);
user_pref("mailnews.start_page_override.mstone", "ignore");
user_pref("datareporting.policy.dataSubmissionPolicyBypassNotification", true);
user_pref("app.update.enabled", false);
user_pref("network.dns.disabled", true);
"""


def show(name: str, theme: str, *, dark: bool) -> tuple[Image.Image, bool]:
    """Open one email; return the picture and whether the email came up."""
    edge = theme_of(settings_of(theme).theme).light.accent
    with tempfile.TemporaryDirectory(prefix="thunderbird-") as home, _screen() as display:
        profile, message = Path(home) / "profile", Path(home) / f"{name}.eml"
        profile.mkdir()
        scheme = f'user_pref("ui.systemUsesDarkTheme", {int(dark)});'
        (profile / "user.js").write_text(_QUIET + scheme, encoding="ascii")
        message.write_bytes(message_of(name, theme))
        running = subprocess.Popen(
            ["thunderbird", "--no-remote", "--profile", str(profile), str(message)],
            env={**os.environ, "DISPLAY": display, "HOME": home},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            up = soon(lambda: _seen(ImageGrab.grab(xdisplay=display), edge) > ENOUGH, 90)
            return ImageGrab.grab(xdisplay=display), up
        finally:
            running.terminate()
            running.wait(30)


def _seen(picture: Image.Image, colour: str) -> int:
    """Return how many pixels of a picture have a colour `#rrggbb`."""
    wanted = tuple(bytes.fromhex(colour.lstrip("#")))
    counted = picture.convert("RGB").getcolors(picture.width * picture.height) or []
    return sum(count for count, found in counted if found == wanted)


@contextmanager
def _screen() -> Iterator[str]:
    """Run a screen that nobody sees; yields its name."""
    read, write = os.pipe()
    size = f"{SCREEN[0]}x{SCREEN[1]}x24"
    running = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", size, "-nolisten", "tcp"],
        pass_fds=(write,),
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    try:
        with os.fdopen(read) as told:
            yield f":{told.readline().strip()}"
    finally:
        running.terminate()
        running.wait(30)


def main(folder: Path, samples: list[str]) -> int:
    """Take all pictures; returns 1 when one of the emails did not come up."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [program for program in ("thunderbird", "Xvfb") if shutil.which(program) is None]
    if missing:
        print(f"needs {' and '.join(missing)}: apt-get install thunderbird xvfb")
        return 1
    failed = 0
    for name in samples:
        for dark in (False, True):
            picture, up = show(name, "paper", dark=dark)
            path = folder / f"thunderbird-{name}-{'dark' if dark else 'light'}.png"
            picture.save(path)
            print(f"{path.name}: {'shown' if up else 'NOT SHOWN'}")
            failed += not up
    return int(failed > 0)


if __name__ == "__main__":
    if not sys.argv[1:]:
        raise SystemExit(__doc__)
    raise SystemExit(main(Path(sys.argv[1]), sys.argv[2:] or list(SAMPLES)))
