"""The entry of the command `newsletter`: its nouns, its global options, and how errors are told.

Modules of this room import the rooms below inside their functions, so that `--help` stays quick.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from newsletter import __version__
from newsletter.cli import (
    alerts,
    bounces,
    campaigns,
    db,
    digests,
    doctor,
    domains,
    letters,
    lists,
    preview,
    schedules,
    segments,
    sending,
    serve,
    starting,
    subscribers,
    suppressions,
    verify,
    worker,
)
from newsletter.cli.workspace import Workspace
from newsletter.clock import use_packaged_zones
from newsletter.errors import EXIT_FAULT, NewsletterError

app = typer.Typer(
    name="newsletter",
    help="Turn a Markdown digest into an email and deliver it to every subscriber.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"newsletter {__version__}")
        raise typer.Exit


@app.callback()
def main_options(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="Settings file (default: ./newsletter.toml)."),
    ] = None,
    log_level: Annotated[
        str, typer.Option("--log-level", help="debug, info, warning or error.")
    ] = "warning",
    log_json: Annotated[bool, typer.Option("--log-json", help="Logs as JSON lines.")] = False,
    _version_asked: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Turn a Markdown digest into an email and deliver it to every subscriber."""
    context.obj = Workspace(config=config, log_level=log_level, log_json=log_json)
    context.call_on_close(context.obj.close)


for _command in (starting.init, starting.demo, digests.check, digests.render):
    app.command()(_command)
app.command()(preview.preview)
app.command("test")(sending.send_one)
app.command()(sending.send)
app.add_typer(campaigns.app, name="campaigns")
app.add_typer(lists.app, name="lists")
app.add_typer(subscribers.app, name="subscribers")
app.add_typer(suppressions.app, name="suppressions")
app.add_typer(segments.app, name="segments")
app.add_typer(letters.app, name="letters")
app.add_typer(bounces.app, name="bounces")
app.add_typer(domains.app, name="domains")
app.add_typer(alerts.app, name="alerts")
app.add_typer(schedules.app, name="schedule")
app.command()(doctor.doctor)
app.command()(verify.verify)
app.command()(serve.serve)
app.command()(worker.worker)
app.add_typer(db.app, name="db")


def main() -> None:
    """Run the command line; every error of ours becomes one or two lines and its exit code."""
    use_packaged_zones()
    # A umask may close files to others; one that takes its owner's rights would lock us out too.
    os.umask(os.umask(0o077) & 0o077)
    try:
        app(prog_name="newsletter")
    except NewsletterError as error:
        _print_error(error)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of our output went away (`| head`): nothing to say, nobody to say it to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as fault:  # noqa: BLE001 - the last resort: words and no trace
        _print_fault(fault)
        sys.exit(EXIT_FAULT)


def _print_error(error: NewsletterError) -> None:
    from newsletter.cli.console import say

    say(f"error: {error}")
    if error.fix:
        say(f"  fix: {error.fix}")


def _print_fault(fault: Exception) -> None:
    from newsletter.cli.console import say
    from newsletter.logs import get_logger, place_of, trace_of

    get_logger("cli").debug("fault", trace=trace_of(fault))
    say(f"error: a fault of newsletter itself: {type(fault).__name__} at {place_of(fault)}")
    say("  fix: report it; the same command with --log-level debug shows the way to it")
