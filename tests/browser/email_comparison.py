"""Tells whether two pictures of an email show the same: forgiving to edges, strict to the design.

Pictures are kept and compared at half their size, shapes a little blurred, so that another version
of the browser may draw its letters a little otherwise. Each place is judged by itself: a small
change does not drown in a long page.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from PIL import Image, ImageChops, ImageDraw, ImageFilter

SCALE = 2
"""Pixels of the page to one of the picture."""
EXACT, SHADES = 16, 112
"""Colours of a kept picture: the commonest as they are, and shades between them."""
HEIGHT_APART = 6
"""Pixels of the page by which heights may differ."""
NUDGES = (0, -1, 1)
"""Pixels of the picture by which a strip may stand lower or higher."""
TILE = 16
"""Side of the squares that are judged, in pixels of the picture."""
SHAPE_APART = 12
"""Mean difference (0 to 255) of a tile in which something else stands."""
GROUND_APART = 3
"""Difference (0 to 255) of the commonest colour of a tile whose ground is another."""
GROUND_SHARE = 0.6
"""Share of a tile that its commonest colour must have to be its ground."""
_BLUR = 1.2


@dataclass(frozen=True, slots=True)
class Verdict:
    """How two pictures differ; `picture` marks the places on the actual one."""

    problems: tuple[str, ...]
    picture: Image.Image

    @property
    def same(self) -> bool:
        """Return whether a reader would see no difference."""
        return not self.problems


def reduced(picture: Image.Image) -> Image.Image:
    """Return a picture as it is kept: half its size, in few colours, no dithering.

    The commonest are exact, so grounds and panels are; only the shades of edges are rounded.
    """
    size = (max(1, picture.width // SCALE), max(1, picture.height // SCALE))
    small = picture.convert("RGB").resize(size, Image.Resampling.BOX)
    exact = [colour for _, colour in sorted(_counted(small), reverse=True)[:EXACT]]
    shades = small.quantize(SHADES, Image.Quantize.MEDIANCUT).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([*(channel for colour in exact for channel in colour), *shades])
    kept = small.quantize(palette=palette, dither=Image.Dither.NONE)
    # Pillow looks for the nearest colour in steps, and may take one of the next.
    for index, colour in enumerate(exact):
        kept.paste(index, mask=_where(small, colour))
    return kept


def _where(picture: Image.Image, colour: tuple[int, int, int]) -> Image.Image:
    """Return a mask of the pixels that have exactly a colour."""
    apart = ImageChops.difference(picture, Image.new("RGB", picture.size, colour))
    red, green, blue = apart.split()
    most = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    return most.point([255, *[0] * 255])


def _counted(picture: Image.Image) -> list[tuple[int, tuple[int, int, int]]]:
    """Return how often each colour of an RGB picture occurs."""
    counted = picture.getcolors(picture.width * picture.height) or []
    return cast("list[tuple[int, tuple[int, int, int]]]", counted)


def compare(expected: Image.Image, actual: Image.Image) -> Verdict:
    """Compare two reduced pictures."""
    if expected.width != actual.width:
        problem = f"it is {actual.width * SCALE} px wide, not {expected.width * SCALE}"
        return Verdict((problem,), actual)
    problems = []
    apart = abs(expected.height - actual.height) * SCALE
    if apart > HEIGHT_APART:
        problems.append(f"its height differs by {apart} px of {expected.height * SCALE}")
    room = (0, 0, expected.width, min(expected.height, actual.height))
    expected, actual = (picture.convert("RGB").crop(room) for picture in (expected, actual))
    places = [
        *(("shape", *place) for place in _other_shapes(expected, actual)),
        *(("ground", *place) for place in _other_grounds(expected, actual)),
    ]
    marked = actual.copy()
    draw = ImageDraw.Draw(marked)
    for _, left, top, _ in places:
        draw.rectangle((left, top, left + TILE - 1, top + TILE - 1), outline="#ff00ff")
    if places:
        what, left, top, by = max(places, key=lambda place: place[3])
        problems.append(
            f"{len(places)} places differ, most the {what} at {left * SCALE},{top * SCALE} by {by}"
        )
    return Verdict(tuple(problems), marked)


def _other_shapes(expected: Image.Image, actual: Image.Image) -> Iterator[tuple[int, int, int]]:
    """Yield left, top and difference of each tile in which something else stands."""
    first, second = (p.filter(ImageFilter.GaussianBlur(_BLUR)) for p in (expected, actual))
    columns, rows = -(-actual.width // TILE), -(-actual.height // TILE)
    whole = (0, 0, columns * TILE, rows * TILE)
    grids = []
    for nudge in NUDGES:
        moved = second.copy()
        moved.paste(second, (0, nudge))
        tiles = ImageChops.difference(first, moved).crop(whole)
        channels = tiles.resize((columns, rows), Image.Resampling.BOX).tobytes()
        values = [max(channels[at : at + 3]) for at in range(0, len(channels), 3)]
        grids.append([values[at : at + columns] for at in range(0, len(values), columns)])
    for row, strips in enumerate(zip(*grids, strict=True)):
        for column, value in enumerate(min(strips, key=sum)):
            if value > SHAPE_APART:
                yield column * TILE, row * TILE, value


def _other_grounds(expected: Image.Image, actual: Image.Image) -> Iterator[tuple[int, int, int]]:
    """Yield left, top and difference of each tile whose ground has another colour."""
    for top in range(0, actual.height, TILE):
        for left in range(0, actual.width, TILE):
            box = (left, top, min(left + TILE, actual.width), min(top + TILE, actual.height))
            first, second = _ground(expected.crop(box)), _ground(actual.crop(box))
            if first and second:
                apart = max(abs(one - two) for one, two in zip(first, second, strict=True))
                if apart > GROUND_APART:
                    yield left, top, apart


def _ground(tile: Image.Image) -> tuple[int, int, int] | None:
    count, colour = max(_counted(tile))
    return colour if count >= GROUND_SHARE * tile.width * tile.height else None
