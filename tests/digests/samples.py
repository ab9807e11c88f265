"""Digests that tests are made with: where they lie, and one too long to be kept as a file."""

from __future__ import annotations

from pathlib import Path

DIGESTS = Path(__file__).parent
BROKEN = DIGESTS / "broken"
SAMPLES = ("one-story", "twenty-stories", "blocks", "right-to-left")
"""Sound digests, by the stems of their files; `beyond` makes the one that is too long."""

_TOWNS = ("Aldermouth", "Brackwell", "Corran", "Dunsea", "Eastlow", "Fellgate", "Gorse End")
_THINGS = ("weather mast", "reading room", "footbridge", "seed bank", "tide gauge", "boat shed")


def sample(name: str) -> Path:
    """Return the file of a sound digest."""
    return DIGESTS / f"{name}.md"


def beyond(stories: int = 60) -> str:
    """Return a digest of so many stories: with sixty its HTML is larger than Gmail shows (A7)."""
    return "\n\n".join(
        [
            "# A year in sixty short stories",
            "*By The Yearbook • December 31, 2026*",
            "What was built, mended and opened along the coast, one paragraph each.",
            "## The year",
            *(_story(number) for number in range(1, stories + 1)),
            "### Sources",
            "\n".join(_source(number) for number in range(1, stories + 1)),
        ]
    )


def _place(number: int) -> tuple[str, str]:
    return _TOWNS[number % len(_TOWNS)], _THINGS[number % len(_THINGS)]


def _story(number: int) -> str:
    town, thing = _place(number)
    return (
        f"### {town} opens {thing} number {number}\n\n"
        f"The {thing} at {town} was opened on day {number * 6} of the year, after a winter of"
        f" planning and {number + 2} evenings of work by those who live beside it [^{number}]."
        f" It has been used every day since, most of all by people who had not asked for it, and"
        f" the keys hang in the bakery next door.\n\n"
        f"**Why it matters:** What {number + 2} evenings can build, the next town can build too;"
        f" the drawings of the {thing} are free to copy."
    )


def _source(number: int) -> str:
    town, thing = _place(number)
    path = f"{town} {thing}".lower().replace(" ", "-")
    return f"[^{number}]: [{town}: the {thing}](https://coast.example.org/{path}/{number})"
