"""`newsletter init` and `newsletter demo`: from nothing to a workspace, and to a sent campaign."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from newsletter.cli.options import Json
from newsletter.cli.workspace import Workspace
from newsletter.errors import NewsletterError, Place

DEMO_MARK = ".newsletter-demo"
DEMO_PAGES = "http://127.0.0.1:8000"
DEMO_LIST = "daily"


def init(
    directory: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where.")] = Path(),
    as_json: Json = False,
) -> None:
    """Make a workspace: newsletter.toml, keys, digests/, subscribers/, templates/, a database."""
    from newsletter.cli.console import answer, answer_json

    made = _make_workspace(directory, _SETTINGS)
    if as_json:
        answer_json({"workspace": directory, "made": made})
        return
    for path in made:
        answer(f"made  {directory / path}")
    if not made:
        answer("everything is there already; nothing was changed")
    answer("next: edit newsletter.toml, then")
    answer("  newsletter lists create daily --title 'The Daily'")
    answer("  newsletter subscribers import subscribers/example.csv --list daily")
    answer("  newsletter send latest --list daily --yes")


def _make_workspace(directory: Path, settings: str) -> list[str]:
    """Lay out a workspace; what exists is left alone. Returns what was made."""
    from newsletter.audience.keys import create_keys
    from newsletter.private_files import make_private_folder, write_private
    from newsletter.resources import bundled

    made: list[str] = []
    try:
        make_private_folder(directory)
        for name, text in (("newsletter.toml", settings), (".gitignore", _GITIGNORE)):
            if not (directory / name).exists():
                write_private(directory / name, text.encode())
                made.append(name)
        for name in ("digests", "templates/email"):
            if not (directory / name).exists():
                shutil.copytree(bundled(name), directory / name)
                made.append(f"{name}/")
        if not (directory / "subscribers").exists():
            make_private_folder(directory / "subscribers")
            for name in ("example.csv", "README.md"):
                shutil.copy(bundled(f"subscribers/{name}"), directory / "subscribers" / name)
            made.append("subscribers/")
        if not (directory / "newsletter.key").exists():
            create_keys(directory / "newsletter.key")
            made.append("newsletter.key")
    except OSError as error:
        raise NewsletterError(
            f"cannot be written: {error.strerror}",
            where=Place(error.filename or directory),
            fix="choose a folder you may write to",
        ) from None
    workspace = Workspace(config=directory / "newsletter.toml")
    existed = (directory / "newsletter.db").exists()
    try:
        _ = workspace.keys
    finally:
        workspace.close()
    if not existed and (directory / "newsletter.db").exists():
        made.append("newsletter.db")
    return made


def demo(
    directory: Annotated[
        Path, typer.Option("--dir", "-d", help="Folder of the demonstration, made anew.")
    ] = Path("demo"),
    as_json: Json = False,
) -> None:
    """Show the whole product on sample data, offline: one .eml for each sample subscriber."""
    from newsletter.audience.imports import ImportPolicy, import_subscribers
    from newsletter.audience.lists import create_list
    from newsletter.cli.console import say

    _clear_demo(directory)
    # The links in its mails lead to the pages on this machine, once they are served.
    _make_workspace(directory, _SETTINGS.replace("https://news.example.org", DEMO_PAGES))
    (directory / DEMO_MARK).touch()
    workspace = Workspace(config=directory / "newsletter.toml")
    try:
        with workspace.database.write() as connection:
            create_list(
                connection,
                workspace.clock.now(),
                name=DEMO_LIST,
                title="The Daily Example",
                base_url=workspace.settings.newsletter.base_url,
                actor=workspace.actor,
            )
        report = import_subscribers(
            workspace.database,
            directory / "subscribers" / "example.csv",
            DEMO_LIST,
            consent="Sample data: these people do not exist.",
            actor=workspace.actor,
            keys=workspace.keys,
            clock=workspace.clock,
            policy=ImportPolicy(),
        )
        say(f"imported {report.counts['added']} sample subscribers into '{DEMO_LIST}'")
        _send_demo(workspace, directory, as_json=as_json)
    finally:
        workspace.close()


def _send_demo(workspace: Workspace, directory: Path, *, as_json: bool) -> None:
    from newsletter.cli.console import say
    from newsletter.cli.digests import write_proof
    from newsletter.cli.running import run_campaign
    from newsletter.cli.sending import freeze_request
    from newsletter.delivery.campaigns import freeze

    prepared = workspace.prepare("latest", DEMO_LIST)
    say(
        f"checked {prepared.path.name}: {len(prepared.digest.stories)} stories, "
        f"{len(prepared.digest.sources)} sources, {prepared.errors} errors, "
        f"{prepared.warnings} warnings"
    )
    write_proof(prepared, directory / "rendered", name="Ada Example", at=workspace.clock.now())
    say(f"rendered it to {directory / 'rendered'}: open message.html in a browser")
    request = freeze_request(
        workspace, workspace.mailing_list(DEMO_LIST), prepared, again=False, start=None
    )
    say("the pages behind its links (join, leave, preferences, past issues):")
    say(f"  newsletter --config {directory / 'newsletter.toml'} serve, then open {DEMO_PAGES}")
    campaign = freeze(workspace.database, request, workspace.clock.now(), actor=workspace.actor)
    say(f"sending it as campaign {campaign} into {directory / 'outbox'}")
    run_campaign(workspace, campaign, as_json=as_json)


def _clear_demo(directory: Path) -> None:
    """Remove an earlier demonstration; never a folder that is something else."""
    if not directory.exists() or (directory.is_dir() and not any(directory.iterdir())):
        return
    if not (directory / DEMO_MARK).is_file():
        raise NewsletterError(
            "this folder exists and is no demonstration",
            where=Place(directory),
            fix="name another one with --dir",
        )
    shutil.rmtree(directory)


_GITIGNORE = """\
newsletter.key
*.db
*.db-*
*.db.*
.flights/
outbox/
rendered/
"""

_SETTINGS = """\
# Settings of this newsletter. Every key is described in docs/settings.md; each can be overridden
# by the environment: NEWSLETTER_DELIVERY__PROVIDER=smtp overrides [delivery] provider.

[newsletter]
name = "The Daily Example"
# The public address of this newsletter; links in each message lead there.
base_url = "https://news.example.org"
timezone = "UTC"
language = "en"
# Shown at the foot of each message: the law asks for it.
postal_address = "The Daily Example, 1 Sample Street, 12345 Exampleton"

[database]
url = "sqlite:///newsletter.db"

[sender]
from_name = "The Daily Example"
from_email = "digest@news.example.org"

[delivery]
# outbox writes .eml files to a folder; smtp and sendgrid send.
provider = "outbox"
# What becomes of a message whose answer was lost: hold (you decide) or retry (once more).
on_unknown = "hold"
expires_after = "12h"

[delivery.outbox]
directory = "outbox"

[delivery.smtp]
host = "localhost"
port = 587
security = "starttls"
# username = "…"
# The password comes from the environment (NEWSLETTER_DELIVERY__SMTP__PASSWORD) or a 0600 file:
# password_file = "smtp.password"

[web]
# 'newsletter serve' listens here; a proxy that speaks https stands before it (docs/pages.md).
host = "127.0.0.1"
port = 8000

[delivery.sendgrid]
# The key comes from NEWSLETTER_DELIVERY__SENDGRID__API_KEY or a 0600 file:
# api_key_file = "sendgrid.key"
"""
