"""`[theme]`: how emails look, as far as an operator sets it without touching a template."""

from __future__ import annotations

from pydantic import Field

from newsletter.settings.parts import Part


class ThemePart(Part):
    """`[theme]`: the look of each email."""

    name: str = Field("paper", pattern="^(paper|plain)$", description="paper or plain.")
