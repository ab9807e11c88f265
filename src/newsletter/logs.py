"""Structured logs on standard error, with addresses masked and secrets left out (E9).

Event names are verbs in the past (`batch_claimed`); values are numbers, states and ids, never a
message, a token or a key.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import structlog

LONGEST_CHAIN = 5
"""Causes of a fault that a trace shows."""
_SECRET_WORDS = ("password", "api_key", "token", "secret", "authorization")


def mask_address(address: str) -> str:
    """Show an address so that an operator recognises it and a stranger does not: `a…@host`."""
    local, at, domain = address.rpartition("@")
    return f"{local[:1]}…@{domain}" if at else "…"


def place_of(error: Exception, *, steps: int = 1) -> str:
    """Return where a fault of the program was met, as `module.py:12`, with the last steps to it.

    Its place and not its trace or words: those could show links and addresses (E9).
    """
    frames = traceback.extract_tb(error.__traceback__)[-steps:]
    return " > ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames)


def trace_of(error: BaseException) -> str:
    """Return the whole way to a fault of the program, its causes too, for people who mend it.

    Files, lines and code, but no exception's own words: those could hold addresses and links.
    """
    parts: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(parts) < LONGEST_CHAIN:
        frames = "".join(traceback.format_tb(seen.__traceback__))
        parts.append(f"{frames}{type(seen).__name__}")
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return "\nThe above came of:\n".join(parts)


def _mask(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if not isinstance(value, str):
            continue
        if any(word in key for word in _SECRET_WORDS):
            event[key] = "…"
        elif "@" in value:
            event[key] = " ".join(mask_address(w) if "@" in w else w for w in value.split(" "))
    return event


def configure_logs(*, level: str = "warning", as_json: bool = False) -> None:
    """Send structured logs to standard error; called once by the composition root."""
    # The client of SendGrid logs whole requests, key included, at DEBUG: never let it.
    logging.getLogger("python_http_client").setLevel(logging.CRITICAL)
    # A broken form is answered; its bytes are nobody's business here.
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
    # What the client of IMAP would log holds the password.
    logging.getLogger("imapclient").setLevel(logging.CRITICAL)
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _mask,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


def get_logger(room: str) -> Any:
    """Return a logger whose every event says which room it comes from."""
    return structlog.get_logger(room=room)
