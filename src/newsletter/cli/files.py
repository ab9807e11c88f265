"""Files that commands write for people: a path, or standard output, with plain errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from newsletter.errors import NewsletterError, Place
from newsletter.private_files import open_private


@contextmanager
def writing_text(path: Path | None) -> Iterator[TextIO]:
    """Open a file of personal data for writing (mode 0600), or standard output for None or `-`.

    Raises `NewsletterError` when it cannot be written.
    """
    if path is None or str(path) == "-":
        yield sys.stdout
        return
    try:
        opened = open_private(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        with os.fdopen(opened, "w", encoding="utf-8", newline="") as file:
            yield file
    except OSError as error:
        raise NewsletterError(
            f"cannot be written: {error.strerror}", where=Place(path), fix="name another file"
        ) from None
