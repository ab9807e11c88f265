"""Cells that are safe to open in a spreadsheet, and the same cells read back (E8).

A cell that a spreadsheet could take for a formula gets a quote before it. Reading takes exactly
that quote away again, so that an export comes back as it was.
"""

from __future__ import annotations

import re

_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def spreadsheet_safe(value: str) -> str:
    """Return a cell that no spreadsheet takes for a formula: a quote before what could be one."""
    return f"'{value}" if _FORMULA.match(value) else value


def unprotected(cell: str) -> str:
    """Return what `spreadsheet_safe` was given."""
    return cell[1:] if cell[:1] == "'" and _FORMULA.match(cell, 1) else cell
