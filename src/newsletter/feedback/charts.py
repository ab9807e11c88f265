"""Small charts made of characters, for a terminal or a plain file; no colours, no numbers."""

from __future__ import annotations

from collections.abc import Sequence

_EIGHTHS = " ▏▎▍▌▋▊▉"
_LEVELS = " ▁▂▃▄▅▆▇█"
_PLAIN_LEVELS = " .:-=+*#"


def bar(value: float, most: float, width: int, *, plain: bool = False) -> str:
    """Return a horizontal bar: `width` characters stand for `most`, what is none is empty.

    Whatever is more than nothing is seen. `plain`: in ASCII only, in whole characters.
    """
    if value <= 0 or most <= 0 or width <= 0:
        return ""
    share = min(value / most, 1.0)
    if plain:
        return "#" * max(1, round(share * width))
    whole, eighths = divmod(max(1, round(share * width * 8)), 8)
    return ("█" * whole + _EIGHTHS[eighths]).rstrip()


def sparkline(values: Sequence[float], *, plain: bool = False) -> str:
    """Return one character for each value, the higher the more; the greatest fills its place.

    Whatever is more than nothing is seen. `plain`: in ASCII only.
    """
    levels = _PLAIN_LEVELS if plain else _LEVELS
    most, top = max(values, default=0), len(levels) - 1
    if most <= 0:
        return levels[0] * len(values)
    return "".join(
        levels[max(1, round(value / most * top)) if value > 0 else 0] for value in values
    )
