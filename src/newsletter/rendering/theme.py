"""What an email looks like: colours, fonts, logo; the words it says of itself are in `words`.

A theme is data. `style_rules` says how each kind of element is set with it, and a theme may set
some of them its own way (`rules`); what differs in structure stands in `templates/email/themes/`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

from newsletter.errors import ConfigurationError
from newsletter.rendering.contrast import LEAST_CONTRAST, contrast, mix
from newsletter.rendering.style_rules import PLAIN_RULES
from newsletter.rendering.words import Words, direction_of, format_date, words_of

if TYPE_CHECKING:
    from newsletter.settings.theme_part import ThemePart

__all__ = [
    "DARK",
    "PAPER",
    "PLAIN",
    "THEMES",
    "Logo",
    "Palette",
    "Theme",
    "Words",
    "direction_of",
    "format_date",
    "theme_of",
    "words_of",
]


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours `#rrggbb`; text on its ground has a contrast of at least 4.5:1 (B3).

    No colour is pure black or white, so that clients that invert by force keep the order.
    """

    ink: str = "#23282d"
    quiet: str = "#5a6067"
    paper: str = "#fdfcfa"
    ground: str = "#efebe3"
    tint: str = "#f7f1e5"
    accent: str = "#c2761b"
    label: str = "#87490a"
    link: str = "#1a5a8a"

    @property
    def line(self) -> str:
        """Return the colour of hairlines: a trace of ink on paper."""
        return mix(self.ink, self.paper, 0.18)


DARK = Palette(
    ink="#e9e5dd",
    quiet="#b5b2ab",
    paper="#1d2125",
    ground="#14171a",
    tint="#282d32",
    accent="#d9923f",
    label="#e8ad63",
    link="#92c4ea",
)


@dataclass(frozen=True, slots=True)
class Logo:
    """A picture that stands for the masthead; sizes in CSS pixels."""

    url: str
    alt: str
    width: int
    height: int
    dark_url: str | None = None


_SERIF = "Georgia, 'Times New Roman', serif"
# Fonts that Word knows stand first, for it looks no further.
_SANS = "'Segoe UI', -apple-system, BlinkMacSystemFont, Roboto, Helvetica, Arial, sans-serif"
_MONO = "Consolas, ui-monospace, Menlo, monospace"


@dataclass(frozen=True, slots=True)
class Theme:
    """One look: the colours of light and dark screens, fonts, and what stands at the top.

    `rules` are pairs of role and CSS that this theme sets its own way (`style_rules`), `phone` of
    role and font size on screens of a phone's width.
    """

    name: str = "paper"
    light: Palette = field(default_factory=Palette)
    dark: Palette = DARK
    heading_font: str = _SERIF
    body_font: str = _SERIF
    label_font: str = _SANS
    mono_font: str = _MONO
    masthead: str = ""
    logo: Logo | None = None
    contents_from: int = 4
    reading_time: bool = True
    rules: tuple[tuple[str, str], ...] = ()
    phone: tuple[tuple[str, str], ...] = (("heading-1", "30px"), ("heading-3", "23px"))


PAPER = Theme()
PLAIN = Theme(
    name="plain",
    light=Palette(
        ink="#222222",
        quiet="#595959",
        paper="#fdfdfd",
        ground="#fdfdfd",
        tint="#f4f4f4",
        accent="#767676",
        label="#222222",
        link="#0b57a4",
    ),
    dark=Palette(
        ink="#e6e6e6",
        quiet="#b0b0b0",
        paper="#1a1a1a",
        ground="#1a1a1a",
        tint="#262626",
        accent="#8c8c8c",
        label="#e6e6e6",
        link="#8ab8ee",
    ),
    heading_font=_SANS,
    body_font=_SANS,
    rules=PLAIN_RULES,
    phone=(("heading-1", "26px"),),
)
THEMES = {theme.name: theme for theme in (PAPER, PLAIN)}

_READ_TOGETHER = (
    ("ink", "paper"),
    ("ink", "tint"),
    ("ink", "ground"),
    ("quiet", "paper"),
    ("quiet", "tint"),
    ("quiet", "ground"),
    ("label", "paper"),
    ("label", "tint"),
    ("link", "paper"),
    ("link", "tint"),
    ("link", "ground"),
)
"""Text and what it stands on, somewhere in an email; the button sets paper on link."""


def theme_of(part: ThemePart) -> Theme:
    """Return the theme that the settings ask for.

    Raises `ConfigurationError` for text that would be hard to read on its ground: it names both
    keys and their ratio (WCAG 2.2, 1.4.3).
    """
    own = THEMES[part.name]
    light = _coloured(own.light, part, "")
    dark = _coloured(own.dark, part, "dark_")
    for palette, prefix in ((light, ""), (dark, "dark_")):
        _refuse_hard_to_read(palette, prefix)
    return replace(
        own,
        light=light,
        dark=dark,
        heading_font=part.heading_font or own.heading_font,
        body_font=part.body_font or own.body_font,
        label_font=part.label_font or own.label_font,
        mono_font=part.mono_font or own.mono_font,
        masthead=" ".join(part.masthead.split()),
        logo=_logo(part),
        contents_from=part.contents_from,
        reading_time=part.reading_time,
    )


def too_faint(palette: Palette) -> Iterator[tuple[str, str, float]]:
    """Yield the pairs of a palette that read together and do not reach 4.5:1, with their ratio."""
    for text, ground in _READ_TOGETHER:
        ratio = contrast(getattr(palette, text), getattr(palette, ground))
        if ratio < LEAST_CONTRAST:
            yield text, ground, ratio


def _coloured(own: Palette, part: ThemePart, prefix: str) -> Palette:
    given = {f.name: getattr(part, prefix + f.name) for f in fields(Palette)}
    return replace(own, **{name: colour for name, colour in given.items() if colour})


def _refuse_hard_to_read(palette: Palette, prefix: str) -> None:
    for text, ground, ratio in too_faint(palette):
        raise ConfigurationError(
            f"'theme.{prefix}{text}' {getattr(palette, text)} on 'theme.{prefix}{ground}' "
            f"{getattr(palette, ground)} has a contrast of {ratio:.2f}:1; readers need "
            f"{LEAST_CONTRAST}:1",
            fix="set the two colours further apart, one darker or the other lighter",
        )


def _logo(part: ThemePart) -> Logo | None:
    if part.logo is None or part.logo_width is None or part.logo_height is None:
        return None
    alt = " ".join(part.logo_alt.split())
    return Logo(part.logo, alt, part.logo_width, part.logo_height, part.logo_dark)
