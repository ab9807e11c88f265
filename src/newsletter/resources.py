"""Where the files that travel with the program are: templates, samples.

In an installed wheel they lie in `newsletter/_bundled/`; in a checkout at the top level.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_BUNDLED = _PACKAGE / "_bundled"
_CHECKOUT = _PACKAGE.parent.parent


def bundled(relative: str) -> Path:
    """Return the path of a file or folder shipped with the program, e.g. `templates/email`."""
    packaged = _BUNDLED / relative
    return packaged if packaged.exists() else _CHECKOUT / relative
