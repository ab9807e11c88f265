"""`[theme]`: how emails look, as far as an operator sets it without touching a template.

Only what cannot break out of a style is taken: `#rrggbb`, plain font names, https addresses.
"""

from __future__ import annotations

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from newsletter.settings.parts import Part


def _address(value: str) -> str:
    parts = urlsplit(value)
    plain = value.isascii() and value.isprintable() and not set(value) & set(" \"'<>\\`{}")
    if parts.scheme != "https" or not parts.hostname or not plain:
        raise ValueError("expected the https:// address of a picture")
    return value


_FONT = "(?:[A-Za-z0-9 -]+|'[A-Za-z0-9 -]+')"

Colour = Annotated[
    str, StringConstraints(pattern=r"^#[0-9A-Fa-f]{6}$", strip_whitespace=True, to_lower=True)
]
Fonts = Annotated[
    str,
    StringConstraints(
        pattern=rf"^{_FONT}(?:, *{_FONT})*$",
        max_length=200,
        strip_whitespace=True,
    ),
]
Picture = Annotated[str, AfterValidator(_address)]


def _colour(words: str) -> Colour | None:
    """Declare a colour; without one the theme's own stands."""
    return Field(None, description=f"{words} (#rrggbb); none: the theme's own.")


class ThemePart(Part):
    """`[theme]`: the look of each email."""

    name: str = Field("paper", pattern="^(paper|plain)$", description="paper or plain.")
    masthead: str = Field(
        "", max_length=100, description="Name at the top of each mail; empty: the list's title."
    )
    logo: Picture | None = Field(
        None, description="https address of a picture that stands for the masthead."
    )
    logo_dark: Picture | None = Field(
        None, description="The picture on dark screens; none: the same on a light plate."
    )
    logo_alt: str = Field(
        "", max_length=100, description="Its words where pictures are off; empty: the masthead."
    )
    logo_width: int | None = Field(
        None,
        ge=16,
        le=264,
        description="Its width in CSS pixels, so that phones show it; needed with a logo.",
    )
    logo_height: int | None = Field(
        None, ge=8, le=300, description="Its height in CSS pixels; needed with a logo."
    )
    contents_from: int = Field(
        4, ge=0, description="A table of contents from so many stories on; 0: never."
    )
    reading_time: bool = Field(True, description="Say how many minutes a digest takes to read.")
    heading_font: Fonts | None = Field(
        None, description="Font stack of title and headlines; none: the theme's own."
    )
    body_font: Fonts | None = Field(
        None, description="Font stack of running text; none: the theme's own."
    )
    label_font: Fonts | None = Field(
        None, description="Font stack of labels, dates and the footer; none: the theme's own."
    )
    mono_font: Fonts | None = Field(None, description="Font stack of code; none: the theme's own.")
    ink: Colour | None = _colour("Text")
    quiet: Colour | None = _colour("Lesser text: date, byline, footer")
    paper: Colour | None = _colour("Behind the text")
    ground: Colour | None = _colour("Around the paper, behind the footer")
    tint: Colour | None = _colour("Behind why-it-matters, the contents and code")
    accent: Colour | None = _colour("Rules and edges, never text")
    label: Colour | None = _colour("Labels and section names")
    link: Colour | None = _colour("Links and the button")
    dark_ink: Colour | None = _colour("Text on dark screens")
    dark_quiet: Colour | None = _colour("Lesser text on dark screens")
    dark_paper: Colour | None = _colour("Behind the text on dark screens")
    dark_ground: Colour | None = _colour("Around the paper on dark screens")
    dark_tint: Colour | None = _colour("Behind why-it-matters and code on dark screens")
    dark_accent: Colour | None = _colour("Rules and edges on dark screens")
    dark_label: Colour | None = _colour("Labels and section names on dark screens")
    dark_link: Colour | None = _colour("Links and the button on dark screens")

    @model_validator(mode="after")
    def _a_logo_with_its_size(self) -> Self:
        if self.logo and not (self.logo_width and self.logo_height):
            raise ValueError("logo needs logo_width and logo_height: mail keeps its place by them")
        if self.logo_dark and not self.logo:
            raise ValueError("logo_dark belongs to a logo")
        return self
