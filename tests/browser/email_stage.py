"""One browser window that shows an email the way mail clients would, and measures it.

Nothing comes from a network: pictures are drawn here, or refused; fonts are DejaVu's files, so
that an email is as wide on one machine as on the next. Whatever else an email asks for is noted.
"""

from __future__ import annotations

import io
import json
import re
import shutil
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from PIL import Image, ImageDraw
from playwright.sync_api import Page, Route

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    *("--no-sandbox", "--disable-background-networking", "--disable-component-update"),
    *("--no-first-run", "--disable-sync", "--disable-default-apps"),
    # The same letters on every machine: no hints of its fonts, no colours of its screen.
    *("--font-render-hinting=none", "--disable-lcd-text", "--force-color-profile=srgb"),
)
FONTS = {
    "serif": ("DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf"),
    "sans": ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"),
    "mono": ("DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf"),
}
FONTS_FOLDER = Path("/usr/share/fonts")
FONTS_INSTALL = "needs the DejaVu fonts: apt-get install fonts-dejavu-core"
_MEASURES = Path(__file__).with_suffix(".js").with_stem("email_measures")
_FONT_HOST = "https://fonts.invalid/"
# What DejaVu has no letters for: another font of the machine would step in.
_FOREIGN = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U0001f000-\U0003ffff]")
_STACK = re.compile(r"font-family\s*:\s*((?:&#?\w+;|[^;\"}<&])+)")


@dataclass(frozen=True, slots=True)
class View:
    """How an email is looked at; `zoom` enlarges everything, as a reader's pinch or Ctrl-+ does."""

    width: int = 640
    scheme: Literal["light", "dark"] = "light"
    styles: bool = True
    images: bool = True
    zoom: float = 1

    def __str__(self) -> str:
        parts = [str(self.width), self.scheme]
        parts += ["" if self.styles else "stripped", "" if self.images else "no-images"]
        return "-".join(part for part in parts if part)


def without_styles(html: str) -> str:
    """Take out every `<style>`, as some mail clients do (B1); conditional comments stay."""
    return re.sub(r"<style\b.*?</style>", "", html, flags=re.DOTALL | re.IGNORECASE)


def with_fonts_pinned(html: str) -> str:
    """Name one DejaVu font for each stack of fonts, by its kind; a box for letters it lacks."""

    def pinned(match: re.Match[str]) -> str:
        stack = match[1].lower()
        kind = "mono" if re.search(r"mono|courier|consolas|menlo", stack) else "sans"
        if kind == "sans" and not re.search(r"sans|arial|helvetica|verdana|system", stack):
            kind = "serif"
        return f"font-family:Pinned-{kind},Pinned-sans"

    return _STACK.sub(pinned, _FOREIGN.sub("□", html))


@cache
def font_files() -> dict[str, Path]:
    """Return the files of the pinned fonts by name; empty when one of them is missing."""
    found = {path.name: path for path in FONTS_FOLDER.rglob("DejaVu*.ttf")}
    wanted = [name for pair in FONTS.values() for name in pair]
    return {name: found[name] for name in wanted} if found.keys() >= set(wanted) else {}


@cache
def a_picture() -> bytes:
    """Draw what stands where an email shows a picture: colour, a circle, no pure white."""
    picture = Image.new("RGB", (1200, 675), "#3f6f8f")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 450, 1200, 675), fill="#27495f")
    draw.ellipse((780, 120, 1020, 360), fill="#e3a857")
    data = io.BytesIO()
    picture.save(data, "PNG")
    return data.getvalue()


def _pinned_faces() -> str:
    faces = [
        f"@font-face{{font-family:Pinned-{kind};font-weight:{weight};src:url({_FONT_HOST}{file});}}"
        for kind, (regular, bold) in FONTS.items()
        for weight, file in (("100 500", regular), ("600 900", bold))
    ]
    return "".join(faces) + "html{font-family:Pinned-serif,Pinned-sans}"


@dataclass(slots=True)
class Window:
    """A page that shows one email after the other."""

    page: Page
    asked: list[str] = field(default_factory=list)
    """Addresses that the email on show wanted, but for pictures."""
    pinned: bool = True
    """Whether DejaVu stands for every font; else the machine's own."""
    _images: bool = True

    @classmethod
    def of(cls, page: Page) -> Window:
        """Take over a page: everything it asks for is answered here."""
        window = cls(page)
        page.route("**/*", lambda route: window._answer(route))
        return window

    def _answer(self, route: Route) -> None:
        url = route.request.url
        if url.startswith(_FONT_HOST):
            route.fulfill(
                path=font_files()[url.removeprefix(_FONT_HOST)],
                content_type="font/ttf",
                headers={"Access-Control-Allow-Origin": "*"},
            )
        elif route.request.resource_type == "image":
            if self._images:
                route.fulfill(
                    body=a_picture(),
                    content_type="image/png",
                    headers={"Cache-Control": "no-store"},
                )
            else:
                route.abort()
        else:
            self.asked.append(url)
            route.abort()

    def show(self, html: str, view: View) -> Page:
        """Show an email and wait until its fonts and pictures stand."""
        self._images = view.images
        self.asked.clear()
        html = html if view.styles else without_styles(html)
        if self.pinned:
            faces = f"<style>{_pinned_faces()}</style>"
            html = with_fonts_pinned(html).replace("</head>", f"{faces}</head>", 1)
        page = self.page
        page.set_viewport_size({"width": view.width, "height": 900})
        page.emulate_media(color_scheme=view.scheme, reduced_motion="reduce")
        # A new document each time: the last one's pictures would come from its memory.
        page.goto("about:blank")
        page.set_content(html)
        if view.zoom != 1:
            page.evaluate("zoom => { document.documentElement.style.zoom = zoom }", view.zoom)
        page.evaluate("document.fonts.ready.then(() => true)")
        return page

    def picture(self) -> Image.Image:
        """Take a picture of the whole page as it stands."""
        return Image.open(io.BytesIO(self.page.screenshot(full_page=True)))

    def measure(self, question: str, *values: object) -> Any:
        """Ask one of the functions of `email_measures.js` about the email on show."""
        script = _MEASURES.read_text(encoding="utf-8")
        words = ", ".join(json.dumps(value) for value in values)
        return self.page.evaluate(f"(() => {{ {script}\nreturn {question}({words}); }})()")
