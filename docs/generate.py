"""Writes the reference pages that are drawn from the code; a test holds them to it.

Run `python docs/generate.py` after changing a command, a setting or a state.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from newsletter.delivery.states import CAMPAIGN_MOVES, MOVES, CampaignStatus, DeliveryState
from newsletter.settings import ENVIRONMENT_PREFIX, Settings

FOLDER = Path(__file__).resolve().parent


def settings_page() -> str:
    """Return docs/settings.md: every key with its default, its variable and what it means."""
    lines = [
        "# Settings",
        "",
        "`newsletter.toml` in the working directory, or the file named by `--config` or",
        "`NEWSLETTER_CONFIG`. Each key can be overridden by its variable in the environment.",
        'Durations are written as `"90s"`, `"30m"`, `"12h"` or `"2d"`. Relative paths count from',
        "the folder of the settings file.",
    ]
    for table, model in _tables(Settings, ""):
        lines += ["", f"## [{table}]", "", (model.__doc__ or "").split(": ", 1)[-1].strip(), ""]
        lines += ["| key | default | variable | meaning |", "| --- | --- | --- | --- |"]
        for key, info in model.model_fields.items():
            if _submodel(info) is None:
                variable = ENVIRONMENT_PREFIX + f"{table}.{key}".replace(".", "__").upper()
                lines.append(f"| `{key}` | {_default(info)} | `{variable}` | {info.description} |")
    return "\n".join(lines) + "\n"


def _tables(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, type[BaseModel]]]:
    for name, info in model.model_fields.items():
        if (inner := _submodel(info)) is not None:
            yield prefix + name, inner
            yield from _tables(inner, f"{prefix}{name}.")


def _submodel(info: FieldInfo) -> type[BaseModel] | None:
    kind = info.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _default(info: FieldInfo) -> str:
    value = info.default
    if value is None or isinstance(value, SecretStr):
        return "none"
    if isinstance(value, timedelta):
        seconds = int(value.total_seconds())
        for unit, size in (("h", 3600), ("m", 60)):
            if seconds % size == 0:
                return f'`"{seconds // size}{unit}"`'
        return f'`"{seconds}s"`'
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if isinstance(value, int | float) else f'`"{value}"`'


def states_page() -> str:
    """Return docs/states.md: the moves of deliveries and campaigns as diagrams."""
    lines = [
        "# States",
        "",
        "Drawn from the tables in `delivery/states.py`. What is not drawn does not happen.",
        "",
        "## Of a delivery (one subscriber of one campaign)",
        "",
        "```mermaid",
        "stateDiagram-v2",
        f"    [*] --> {DeliveryState.PENDING.label}: freeze",
    ]
    lines += [f"    {s.label} --> {after.label}: {m}" for (s, m), after in MOVES.items()]
    lines += [
        "```",
        "",
        "`accepted`: the provider took it. `delivered`: the remote server took it. Neither is the",
        "other.",
        "",
        "## Of a campaign",
        "",
        "```mermaid",
        "stateDiagram-v2",
        f"    [*] --> {CampaignStatus.SENDING}: freeze",
        f"    [*] --> {CampaignStatus.SCHEDULED}: freeze for later",
    ]
    lines += [f"    {s} --> {after}: {w}" for (s, w), after in CAMPAIGN_MOVES.items()]
    return "\n".join([*lines, "```"]) + "\n"


def cli_page() -> str:
    """Return docs/cli.md: the help of every command, as the terminal shows it."""
    os.environ.update({"TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "100"})
    from typer.main import get_command

    from newsletter.cli.app import app

    lines = [
        "# Commands",
        "",
        "Each command takes `--help`. Those that report take `--json` and print one document on",
        "standard output; everything else goes to standard error. Exit codes: 0 done, 1 refused or",
        "finished with problems, 2 usage, 3 configuration, 4 provider, 75 try again later.",
    ]
    lines += _command_pages(get_command(app), "newsletter")
    return "\n".join(lines) + "\n"


def _command_pages(command: object, path: str) -> list[str]:
    lines: list[str] = []
    children = getattr(command, "commands", {})
    for name, child in children.items():
        lines += _command_pages(child, f"{path} {name}")
    if children:
        return lines
    lines = ["", f"## {path}", "", str(getattr(command, "help", "") or "").strip(), ""]
    rows = []
    for parameter in getattr(command, "params", []):
        names = [*parameter.opts, *parameter.secondary_opts]
        if "--help" in names:
            continue
        is_option = names[0].startswith("-")
        shown = " ".join(f"`{n}`" for n in names) if is_option else f"`{parameter.metavar}`"
        if not is_option and not parameter.metavar:
            shown = f"`{parameter.name.upper().strip('_')}`"
        must = "required" if parameter.required else ""
        rows.append(f"| {shown} | {must} | {parameter.help or ''} |")
    if rows:
        lines += ["| option | | meaning |", "| --- | --- | --- |", *rows]
    return lines


PAGES = {"settings.md": settings_page, "states.md": states_page, "cli.md": cli_page}


def main() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
        sys.stdout.write(f"{FOLDER.name}/{name}\n")


if __name__ == "__main__":
    main()
