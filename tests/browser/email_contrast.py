"""Contrast of two colours as WCAG 2 counts it, and what a forced inversion makes of a colour."""

from __future__ import annotations

from collections.abc import Sequence

Colour = Sequence[float]
"""Red, green and blue from 0 to 255."""


def contrast(ink: Colour, ground: Colour) -> float:
    """Return the contrast ratio, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    lighter, darker = sorted((luminance(ink), luminance(ground)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: Colour) -> float:
    """Return how bright a colour is, 0 to 1 (WCAG 2.2, "relative luminance")."""
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (channel / 255 for channel in colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def forced_dark(colour: Colour) -> Colour:
    """Return a colour after `invert(1) hue-rotate(180deg)`: dark mode forced by a mail client.

    The matrix of a half turn of the hue is the one of Filter Effects 1, section 9.6.
    """
    red, green, blue = (255 - channel for channel in colour)
    turned = (
        -0.574 * red + 1.43 * green + 0.144 * blue,
        0.426 * red + 0.43 * green + 0.144 * blue,
        0.426 * red + 1.43 * green - 0.856 * blue,
    )
    return tuple(min(255.0, max(0.0, channel)) for channel in turned)
