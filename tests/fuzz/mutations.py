"""Sound digests with a few changes that know what a digest is made of."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

from tests.fuzz.fragments import FRONTS, INLINES, LINES

_MOST_CHANGES = 6
_LARGEST = 60_000

Change = Callable[[list[str], random.Random], None]


def mutate(digest: str, chance: random.Random) -> str:
    """Return a digest with one to six changes to its blocks, lines, marks or bytes."""
    blocks = re.split(r"\n{2,}", digest)
    for _ in range(chance.randint(1, _MOST_CHANGES)):
        chance.choice(CHANGES)(blocks, chance)
        if not blocks:
            blocks.append("")
    text = chance.choice(("\n\n",) * 6 + ("\n", "\r\n\r\n", "\n \n")).join(blocks)
    return text[:_LARGEST]


def _drop(blocks: list[str], chance: random.Random) -> None:
    del blocks[chance.randrange(len(blocks))]


def _double(blocks: list[str], chance: random.Random) -> None:
    blocks.insert(chance.randrange(len(blocks) + 1), chance.choice(blocks))


def _swap(blocks: list[str], chance: random.Random) -> None:
    one, other = chance.randrange(len(blocks)), chance.randrange(len(blocks))
    blocks[one], blocks[other] = blocks[other], blocks[one]


def _join(blocks: list[str], chance: random.Random) -> None:
    at = chance.randrange(len(blocks))
    blocks[at : at + 2] = [chance.choice(("\n", " ", "")).join(blocks[at : at + 2])]


def _insert(blocks: list[str], chance: random.Random) -> None:
    lines = chance.choices(LINES + INLINES, k=chance.randint(1, 4))
    blocks.insert(chance.randrange(len(blocks) + 1), "\n".join(lines))


def _in_block(change: Callable[[str, random.Random], str]) -> Change:
    def in_one(blocks: list[str], chance: random.Random) -> None:
        at = chance.randrange(len(blocks))
        blocks[at] = change(blocks[at], chance)

    return in_one


def _indent(block: str, chance: random.Random) -> str:
    by = chance.choice(("> ", "- ", "  ", "    ", "\t", "1. ", "> - ", "| "))
    every = chance.random() < 0.5
    lines = block.split("\n")
    return "\n".join(by + line if every or n == 0 else line for n, line in enumerate(lines))


def _other_mark(block: str, chance: random.Random) -> str:
    mark = chance.choice(("", "#", "##", "### ", "# ", "-", "* ", "[^1]: ", "[^x]:", "> ", "```"))
    return re.sub(r"\A[#>*\-\s]*", lambda _found: mark, block, count=1)


def _empty(block: str, _chance: random.Random) -> str:
    """Leave the marks and take the words, as an editor does who prepares tomorrow's digest."""
    return re.sub(r"\w+", "", block)


def _one_word(block: str, chance: random.Random) -> str:
    words = list(re.finditer(r"\S+", block))
    if not words:
        return block
    word = chance.choice(words)
    return block[: word.start()] + chance.choice(INLINES) + block[word.end() :]


def _cut(block: str, chance: random.Random) -> str:
    return block[: chance.randrange(len(block) + 1)]


def _sign(block: str, chance: random.Random) -> str:
    at = chance.randrange(len(block) + 1)
    odd = chance.choice("\\`*_[](){}<>#|!&^~:\"'-=\n\t\0\r\u202e\u2028\u00a0\ufeff\u200d")
    return block[:at] + odd + block[at + chance.randint(0, 1) :]


def _repeat(block: str, chance: random.Random) -> str:
    return block * chance.choice((2, 3, 40))


def _brackets(block: str, chance: random.Random) -> str:
    return chance.choice(("[", "(", "*", "> ", "- ", "_", "![", "{{", "<")) * 200 + block


def _renumber(block: str, chance: random.Random) -> str:
    number = chance.choice(("0", "1", "2", "00", "99", "-1", "1,2", " 1 ", "a", "", "1]["))
    return re.sub(r"\[\^[^\]]*\]", lambda _found: f"[^{number}]", block)


def _table(block: str, chance: random.Random) -> str:
    cells = [chance.choice(("", " ", *INLINES[:12], "[^1]", "\\|")) for _ in range(6)]
    rows = ["|".join(("", *cells[:3], "")), "| --- | :-: |---|", "|".join(("", *cells[3:], ""))]
    return block + "\n\n" + "\n".join(rows)


def _front(blocks: list[str], chance: random.Random) -> None:
    keys = "\n".join(chance.choices(FRONTS, k=chance.randint(0, 5)))
    end = chance.choice(("---", "---", "...", ""))
    blocks.insert(0, f"---\n{keys}\n{end}")


CHANGES: Sequence[Change] = (
    _drop, _double, _swap, _join, _insert, _insert, _front,
    *map(_in_block, (_indent, _other_mark, _empty, _one_word, _one_word, _cut, _sign, _sign)),
    *map(_in_block, (_repeat, _brackets, _renumber, _table)),
)  # fmt: skip
