"""Options that several commands share, so that they look and read the same everywhere."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from newsletter.errors import UsageError

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
ListName = Annotated[str, typer.Option("--list", "-l", help="Name of the list.")]
OptionalListName = Annotated[
    str | None, typer.Option("--list", "-l", help="Render and check for this list.")
]
DigestReference = Annotated[
    str, typer.Argument(metavar="DIGEST", help="A file, a slug or date in digests/, or 'latest'.")
]
CampaignNumber = Annotated[int, typer.Argument(metavar="ID", help="Number of the campaign.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
Consent = Annotated[
    str | None, typer.Option("--consent", help="How they agreed; stored as evidence.")
]


def read_pairs(pairs: list[str]) -> dict[str, str]:
    """Read options such as `--map email=COLUMN`; raises `UsageError` for what is no pair."""
    found: dict[str, str] = {}
    for pair in pairs:
        field, sign, value = pair.partition("=")
        if not sign or not field or not value:
            raise UsageError(f"'{pair}' is no pair", fix="write --map email='E-mail address'")
        found[field.strip()] = value.strip()
    return found


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be undone; raises `UsageError` where nobody can answer."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("nobody is here to confirm", fix="add --yes")
    typer.confirm(question, abort=True, err=True)
