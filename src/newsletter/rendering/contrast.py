"""How well one colour reads on another, by WCAG 2.2; knows no theme and no settings."""

from __future__ import annotations

LEAST_CONTRAST = 4.5
"""What text of any size needs on its ground (WCAG 2.2, 1.4.3 AA)."""


def contrast(first: str, second: str) -> float:
    """Return the contrast ratio of two colours `#rrggbb`, from 1.0 to 21.0, in either order."""
    brighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour `#rrggbb`: 0.0 black, 1.0 white (WCAG 2.2)."""
    red, green, blue = (_linear(part / 255) for part in _parts(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def mix(first: str, second: str, share: float) -> str:
    """Return the colour between two: `share` (0 to 1) of the first, the rest of the second."""
    mixed = (
        round(one * share + other * (1 - share))
        for one, other in zip(_parts(first), _parts(second), strict=True)
    )
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _parts(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)
