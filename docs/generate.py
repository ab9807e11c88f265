"""Writes the reference pages that are drawn from the code; a test holds them to it.

Run `python docs/generate.py` after changing a command, a setting or a state.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from newsletter.audience.status_words import (
    CIRCUMSTANCES,
    KEEPS_AWAY,
    MAY_BE_MAILED,
    SAYS_NOTHING,
    Away,
    Kind,
)
from newsletter.audience.status_words import COLUMNS as STATUS_COLUMNS
from newsletter.audience.status_words import HARMLESS as HARMLESS_COLUMNS
from newsletter.audience.suppression_words import SUPPRESSION_COLUMNS, Meaning
from newsletter.audience.suppression_words import WORDS as SUPPRESSION_WORDS
from newsletter.delivery.outside.kinds import DNS_KINDS, LINK_KINDS, SPAM_KINDS
from newsletter.delivery.states import (
    CAMPAIGN_MOVES,
    CAUSES,
    MOVES,
    PROOFS,
    CampaignStatus,
    DeliveryState,
)
from newsletter.digest.codes import CODES as DIGEST_CODES
from newsletter.digest.codes import FindingKind
from newsletter.rendering.checks.client_data import load_client_data
from newsletter.rendering.checks.client_harmless import HARMLESS
from newsletter.rendering.checks.codes import CODES as EMAIL_CODES
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
    proofs = set(PROOFS.values())
    lines += [
        f"    {s.label} --> {after.label}: {m}"
        for (s, m), after in MOVES.items()
        if m not in proofs or s in PROOFS
    ]
    lines += [
        "```",
        "",
        "`accepted`: the provider took it. `delivered`: the remote server took it. Neither is the",
        "other.",
        "",
        "What comes back (a webhook, returned mail, a late answer) may prove a delivery to be",
        "further than its row says, also where the row says that it failed or waits for another",
        "try:",
        "",
        f"| the row says | {' | '.join(f'proof of `{state.label}`' for state in PROOFS)} |",
        f"| --- {'| --- ' * len(PROOFS)}|",
    ]
    for state in DeliveryState:
        ends = (MOVES.get((state, move)) for move in PROOFS.values())
        cells = " | ".join(f"`{end.label}`" if end else "stays" for end in ends)
        lines.append(f"| `{state.label}` | {cells} |")
    lines += [
        "",
        "Only what was claimed at least once can be proven. News of a row that no worker ever took",
        "tells of somebody else's message: that of another copy of the database, or of another",
        "newsletter with the same account at the provider. It is kept, and the row goes on as it",
        "is: nobody is left out of a send by it. Where the reader's address fits, an alert",
        "(`sent_elsewhere`) says so.",
        "",
        "| move | what lets it happen |",
        "| --- | --- |",
        *(f"| {move} | {cause} |" for move, cause in CAUSES.items()),
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
        "finished with problems, 2 usage, 3 configuration, 4 provider, 70 a fault of newsletter",
        "itself, 75 try again later.",
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


def checks_page() -> str:
    """Return docs/checks.md: every code that a finding can carry, and what mail clients lack."""
    data = load_client_data()
    lines = [
        "# Checks",
        "",
        "`newsletter check DIGEST` looks at a digest before anybody gets it; `send`, `test` and",
        "schedules run the same checks. An error keeps the digest from being sent, a warning is",
        "said. Each finding names its place, what comes of it when nobody mends it, and a fix.",
        "",
        "- With `--list NAME` (and always in `send` and schedules) the list's real readers count:",
        "  the email's size is that of the reader with the longest values, and a merge field",
        "  without default is told only when readers lack the value, with how many they are.",
        "  `--segment NAME` looks at that part of the list; a schedule or a send to a segment does",
        "  so by itself.",
        "- `--links` fetches each link once, public addresses only. `--dns` looks at the sender's",
        "  records. `--spam` lets SpamAssassin judge the message where it is installed; it takes",
        "  some two seconds and asks nobody else. None of them runs unless it is asked for.",
        "- `--json` prints everything as one document. Exit code 1: an error was found.",
    ]
    tables: tuple[tuple[str, Mapping[str, FindingKind]], ...] = (
        ("The digest", DIGEST_CODES),
        ("The email it becomes", EMAIL_CODES),
        ("Its links, with `--links`", LINK_KINDS),
        ("Spam filters, with `--spam`", SPAM_KINDS),
        ("The sender's DNS, with `--dns`", DNS_KINDS),
    )
    for title, kinds in tables:
        lines += ["", f"## {title}", "", "| code | severity | what | what comes of it | fix |"]
        lines += ["| --- | --- | --- | --- | --- |"]
        lines += [
            f"| `{code}` | {kind.severity} | {_cell(kind.meaning)} | {_cell(kind.why)} "
            f"| {_cell(kind.fix)} |"
            for code, kind in sorted(kinds.items())
        ]
    return "\n".join([*lines, *_clients(data.updated)]) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _clients(updated: str) -> list[str]:
    lines = [
        "",
        "## What mail clients lack",
        "",
        f"`client-lacks-feature` goes by the data of caniemail.com as of {updated} (MIT, in",
        "`rendering/checks/client_features.json` with its text). It counts Gmail (web, iOS,",
        "Android),",
        "Apple Mail, Outlook (classic for Windows, web, macOS, iOS, Android), Yahoo, Thunderbird",
        "and Samsung Email; the data have no column for the new Outlook for Windows, which shows",
        "mail as the web one does. The newest test of each client counts; some are years old.",
        "Renew the data, which needs the network, with",
        "",
        "    python -m newsletter.rendering.checks.client_data refresh "
        "https://www.caniemail.com/api/data.json",
        "",
        "Not told is what has something to fall back on: declarations inside `@media` and",
        "`@supports`, a property that was set before in an older way, a background image or",
        "gradient over a background colour, comments for Outlook. Nor are these:",
        "",
        "| reason | features |",
        "| --- | --- |",
    ]
    for reason in dict.fromkeys(HARMLESS.values()):
        slugs = [f"`{slug}`" for slug, why in HARMLESS.items() if why == reason]
        lines.append(f"| {reason} | {', '.join(slugs)} |")
    return lines


_IMPORTING = """\
# Importing

Lists come from other programs with people who left them. An import lets in only whom the file is
known to let in; the tables below are all that is known. The format of files (encodings, delimiters,
fields, formulas) is described in [subscribers/README.md](../subscribers/README.md).

```bash
newsletter subscribers import FILE --list NAME --consent "how they agreed" --dry-run
newsletter suppressions import FILE --dry-run
```

Both read CSV, and JSON as interfaces answer it: a list of objects, a document with such a list in
it, or one object a line. `--dry-run` says what became of each column and writes nothing.

## Who comes, and who stays away

- Several columns may say it: the strictest counts. The same holds for several rows of one address.
- A word that is not in the tables, or an empty cell where a column must say something, keeps the
  person away. The command names the file, the row, the column and the word. Write `active` where
  it is right.
- A column that is about something else gets a heading that says so: `attributes.status`.
- A column that has another name: `--map status="What it says"`. It may hold words, or yes and no.
- A heading that only sounds like it is pointed at, and kept as an attribute. A plain "no" in it
  (`gdpr consent`: no) and the words that keep away keep away there too.
- Who left this list or is suppressed here never comes back by a file. Who is active here stays so
  when the file says otherwise; that is told, with the rows.
- A file named `unsubscribed…`, `cleaned…`, `nonsubscribed…`, `bounces…`, `suppression…` or the
  like, as Mailchimp names the parts of its export, lets nobody in. Give it to
  `newsletter suppressions import`.
- The report counts by reason (`kept_away` with `--json`); `--refusals FILE` writes each row.

An export of this program has `status`, `suppressed` (why) and `bounced` (`hard`, `soft`), so that
other programs can keep these people away, and this one does.
"""

_SUPPRESSIONS = """\
# Files of suppressions

`newsletter suppressions import` reads what SendGrid, Mailgun, Postmark, Amazon SES, SparkPost,
Mailjet, Brevo and Mandrill write, as CSV and as JSON, and plain lists of addresses.

- A file of suppressions keeps away: a reason that nobody knows suppresses as `manual`, with its
  words as the note; a date that cannot be read is now. Both are told.
- A server's answer (`550 5.1.1 …`) is judged by the table of bounce classes, with your own
  `[[feedback.rules]]`. Is the address gone, it is a `hard_bounce`; is that not said, `manual` with
  the answer as the note. Addresses are taken out of notes.
- What passes suppresses nobody: soft bounces, answers such as `452 4.2.2`, and SendGrid's blocks,
  which are about one message. They are told row by row. `--reason manual` keeps them away too.
  In a file that is named for bounces the provider has given the address up: there such an answer
  suppresses as `manual`.
- Rows that say of themselves that they are none (`non_transactional: false`,
  `IsExcludedFromCampaigns: false`, `status: active`) are left out and counted.
- `--reason REASON` is the reason of rows that name none.
- Of several rows of one address the gravest counts. What is suppressed already keeps its reason
  and date.
- A file named for a whitelist or allowlist is refused.

Dates: ISO, `Tue, 07 May 2024 10:00:00 UTC`, seconds or milliseconds since 1970, `7.5.2024`,
`May 7, 2024 10:00 AM`. Of `07/05/2024` the later reading counts that is not to come, and that is
told.
"""


def importing_page() -> str:
    """Return docs/importing.md: what columns and words of other programs mean."""
    lines = [_IMPORTING, "## Columns", "", "Signs, spaces and capitals do not matter, nor do words"]
    lines += ["such as `email`, `is` or `subscriber`: `EMAIL_BLOCKLISTED` is `blocklisted`.", ""]
    lines += ["| columns | cells | keeps away as | written by |", "| --- | --- | --- | --- |"]
    for column in STATUS_COLUMNS:
        headings = ", ".join(f"`{heading}`" for heading in column.headings)
        headings += ", ".join(f"`{stem} …`" for stem in column.stems)
        away = "the word's meaning" if column.away is Away.UNKNOWN else column.away.value
        lines.append(f"| {headings} | {_CELLS[column.kind]} | {away} | {column.systems} |")
    ends = ", ".join(f"`{word}`" for word in CIRCUMSTANCES)
    lines += [
        "",
        f"… is one of {ends}; `date` and `last` may stand before it instead.",
        "",
        "Say nothing, though they sound like it:",
        "",
        "| column | why |",
        "| --- | --- |",
    ]
    lines += [f"| `{heading}` | {why} |" for heading, why in HARMLESS_COLUMNS.items()]
    lines += ["", "## Words", "", "| word | means | written by |", "| --- | --- | --- |"]
    lines += [f"| `{word}` | may be mailed | {who} |" for word, who in MAY_BE_MAILED.items()]
    lines += [f"| `{w}` | another column must say it | {who} |" for w, who in SAYS_NOTHING.items()]
    for away in dict.fromkeys(KEEPS_AWAY.values()):
        words = ", ".join(f"`{word}`" for word, why in KEEPS_AWAY.items() if why is away)
        lines.append(f"| {words} | kept away: {away.value} | |")
    own = ", ".join(f"`{w}`" for c in STATUS_COLUMNS for w, why in c.words.items() if why is None)
    lines += ["", f"In the columns of their programs alone these may be mailed: {own}.", ""]
    lines += [_SUPPRESSIONS, "| field | columns |", "| --- | --- |"]
    for name, aliases in SUPPRESSION_COLUMNS.aliases.items():
        if aliases:
            lines.append(f"| {name} | {', '.join(f'`{alias}`' for alias in aliases)} |")
    lines += ["", "The columns of status above are read too.", "", "| words | become |"]
    lines += ["| --- | --- |"]
    for meaning in dict.fromkeys(SUPPRESSION_WORDS.values()):
        words = ", ".join(f"`{word}`" for word, why in SUPPRESSION_WORDS.items() if why is meaning)
        lines.append(f"| {words} | {_MEANINGS.get(meaning, f'`{meaning.value}`')} |")
    return "\n".join(lines) + "\n"


_CELLS = {
    Kind.WORDS: "a word of the table below",
    Kind.YES: "yes or a date: may be mailed; empty: not known",
    Kind.NO: "yes, a date or a number: kept away; empty: says nothing",
    Kind.WHEN: "anything: kept away; empty: says nothing",
    Kind.SINCE: "a date: may be mailed; empty: kept away",
    Kind.PERHAPS: "only words that keep away count; also an attribute",
}
_MEANINGS = {
    Meaning.BOUNCE: "`hard_bounce`, unless a server's answer says otherwise",
    Meaning.PASSING: "left out",
    Meaning.NOTHING: "no reason",
}


PAGES = {
    "importing.md": importing_page,
    "settings.md": settings_page,
    "states.md": states_page,
    "cli.md": cli_page,
    "checks.md": checks_page,
}


def main() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
        sys.stdout.write(f"{FOLDER.name}/{name}\n")


if __name__ == "__main__":
    main()
