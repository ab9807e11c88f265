"""Tables in plain text: aligned columns where they fit, else each row as `header: cell`."""

from __future__ import annotations

from collections.abc import Sequence

from newsletter.digest.model import Align
from newsletter.rendering.text.lines import columns, indented, wrap

_GAP = "  "
_MOST_COLUMNS = 6
"""Columns that a reader can still tell apart without lines between them."""


def table_text(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    aligns: Sequence[Align],
    *,
    width: int,
    aligned: bool = True,
) -> str:
    """Return a table whose cells are single lines, at most `width` columns wide.

    `aligned` false asks for rows in any case: where lines run from right to left, what stands in
    columns depends on the reader's program.
    """
    widths = [max(columns(cell) for cell in column) for column in zip(header, *rows, strict=True)]
    whole = sum(widths) + len(_GAP) * (len(widths) - 1)
    if aligned and 1 < len(widths) <= _MOST_COLUMNS and whole <= width:
        return _in_columns(header, rows, aligns, widths)
    return _row_by_row(header, rows, width)


def _in_columns(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    aligns: Sequence[Align],
    widths: Sequence[int],
) -> str:
    def line(cells: Sequence[str]) -> str:
        return _GAP.join(map(_set, cells, widths, aligns)).rstrip()

    head = [line(header), line(["-" * width for width in widths])] if any(header) else []
    return "\n".join([*head, *map(line, rows)])


def _set(cell: str, width: int, align: Align) -> str:
    room = width - columns(cell)
    match align:
        case Align.RIGHT:
            return " " * room + cell
        case Align.CENTER:
            return " " * (room // 2) + cell + " " * (room - room // 2)
        case _:
            return cell + " " * room


def _row_by_row(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> str:
    """Set each row as a paragraph of its own, which reads aloud and fits any width."""
    texts = [] if rows else [wrap(" · ".join(filter(None, header)), width)]
    for row in rows:
        cells = [
            wrap(f"{name.rstrip(':')}: {cell}" if name else cell, width - 2)
            for name, cell in zip(header, row, strict=True)
            if cell
        ]
        if cells:
            texts.append(indented("\n".join(cells), "• ", "  "))
    return ("\n\n" if len(header) > 2 else "\n").join(texts)
