"""What `doctor` looks at on this machine: settings, database, templates, clock."""

from __future__ import annotations

import shlex
import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import Connection, func, select

from newsletter.clock import is_zone
from newsletter.delivery.letter_reports import look_at_letters
from newsletter.delivery.outside.sender_setup import is_example
from newsletter.delivery.preparing import list_identity, sends_to_loopback
from newsletter.delivery.states import CampaignStatus, DeliveryState
from newsletter.digest.model import Byline, Digest, Paragraph, Text
from newsletter.private_files import mode_open_to_others
from newsletter.providers.base import Health
from newsletter.rendering.letter_words import LetterForm
from newsletter.rendering.letters import render_letter
from newsletter.rendering.render import render
from newsletter.rendering.theme import theme_of
from newsletter.settings import ProviderName, Settings
from newsletter.storage.database import Database
from newsletter.storage.schedule_tables import schedules
from newsletter.storage.schema import current_revision
from newsletter.storage.tables import campaigns, deliveries, lists

FREE_BYTES = 200_000_000
"""Below this the disk of the database counts as nearly full."""
OLDEST_CLOCK = datetime(2026, 1, 1, tzinfo=UTC)


def look_at_settings(settings: Settings) -> list[Health]:
    """Look at the settings a send depends on."""
    general, sender = settings.newsletter, settings.sender
    file = str(settings.file) if settings.file else "no newsletter.toml: defaults"
    secure = urlsplit(general.base_url).scheme == "https" or sends_to_loopback(settings)
    real = not is_example(sender.from_email.rpartition("@")[2].lower())
    return [
        Health("settings", settings.file is not None, file, "newsletter init"),
        Health(
            "base_url",
            secure,
            general.base_url,
            "one-click unsubscribe needs a public https:// base_url",
        ),
        Health(
            "sender",
            bool(sender.from_email) and (real or sends_to_loopback(settings)),
            sender.from_email or "no sender.from_email",
            "set sender.from_email to an address of a domain you send from",
        ),
        *_look_at_bounces(settings),
        *_look_at_telling(settings),
        Health(
            "postal address",
            bool(general.postal_address.strip()),
            general.postal_address.replace("\n", ", ") or "missing",
            "set newsletter.postal_address: the law asks for it in each commercial email",
        ),
    ]


def _look_at_bounces(settings: Settings) -> list[Health]:
    """Look whether a bounce could name its delivery (A15); only SMTP has a return path of ours."""
    if settings.delivery.provider is not ProviderName.SMTP:
        return []
    domain = settings.sender.bounce_domain
    return [
        Health(
            "bounces",
            domain is not None,
            domain or f"all go to {settings.sender.from_email or 'the sender'}, unmarked",
            "set sender.bounce_domain to a domain whose mail you read",
        )
    ]


def _look_at_telling(settings: Settings) -> list[Health]:
    """Look whether what comes back is told to us, and alerts to somebody; for real sends alone."""
    if sends_to_loopback(settings):
        return []
    part = settings.alerts
    ways = [f"mail to {len(part.mail_to)}"] * bool(part.mail_to)
    ways += ["webhook"] * (part.webhook is not None) + ["command"] * (part.command is not None)
    found = [
        Health(
            "alerts",
            bool(ways),
            ", ".join(ways) or "nobody is told when something is wrong",
            'set mail_to = ["you@your-domain"] under [alerts]; then newsletter alerts test',
        )
    ]
    if settings.delivery.provider is ProviderName.SENDGRID:
        key = settings.delivery.sendgrid.webhook_public_key
        found.append(
            Health(
                "event webhook",
                key is not None,
                f"{settings.newsletter.base_url}/webhooks/sendgrid" if key else "off",
                "make a signed event webhook at SendGrid; its verification key goes into "
                "delivery.sendgrid.webhook_public_key",
            )
        )
    return found


def look_at_rights(settings: Settings, database: Path | None) -> list[Health]:
    """Look whether others on this machine may read settings, readers' data or what was sent.

    `database` is the file of an embedded one. What the program makes is closed to them; a copy, a
    restore or a file written by hand may not be.
    """
    kept = [settings.file, *_beside(database), *_folders(settings)]
    found = [(path, mode) for path in kept if path if (mode := mode_open_to_others(path))]
    if not found:
        return [Health("file rights", ok=True, detail="closed to others")]
    return [
        Health(
            "file rights",
            ok=False,
            detail=f"{_shown(path, settings.root)} is open to others (mode {mode:04o})",
            fix=f"chmod go= {shlex.quote(str(path.absolute()))}",
        )
        for path, mode in found
    ]


def _beside(database: Path | None) -> list[Path]:
    """Return an embedded database with its log, its backups and what else lies beside it."""
    if database is None:
        return []
    names = (f"{database.name}*", f"{database.stem}-*.backup.db")
    return sorted({path for name in names for path in database.parent.glob(name)})


def _folders(settings: Settings) -> list[Path]:
    """Return the folders that hold mail: what was sent into the outbox, and what came back."""
    return [
        settings.path(settings.delivery.outbox.directory),
        settings.path(settings.feedback.kept_mail),
    ]


def _shown(path: Path, root: Path) -> Path:
    return path.relative_to(root) if path.is_relative_to(root) else path


def look_at_clock(now: datetime) -> list[Health]:
    """Look whether the machine knows the time at all."""
    return [
        Health(
            "clock",
            now > OLDEST_CLOCK,
            f"{now:%Y-%m-%d %H:%M:%S} UTC",
            "set the machine's clock (NTP)",
        )
    ]


def look_at_database(database: Database, now: datetime) -> list[Health]:
    """Look at the database: its schema, its soundness, the room left, and unfinished work."""
    found = [Health("schema", ok=True, detail=f"revision {current_revision(database)}")]
    with database.read() as connection:
        if database.path is not None:
            verdict = str(connection.exec_driver_sql("PRAGMA quick_check").scalar())
            found.append(
                Health("database", verdict == "ok", f"{database.path.name}: {verdict}", "restore")
            )
            free = shutil.disk_usage(database.path.parent).free
            found.append(
                Health("disk", free > FREE_BYTES, f"{free // 10**6:,} MB free", "make some room")
            )
        has_list = connection.execute(select(func.count()).select_from(lists)).scalar_one()
        found.append(Health("lists", has_list > 0, f"{has_list}", "newsletter lists create NAME"))
        found.append(_zones(connection))
        stuck = connection.execute(
            select(campaigns.c.id).where(
                campaigns.c.status.in_([CampaignStatus.SENDING, CampaignStatus.PAUSED]),
                campaigns.c.expires_at > now,
            )
        ).scalars()
        unfinished = ", ".join(map(str, stuck))
        found.append(
            Health(
                "campaigns",
                not unfinished,
                f"unfinished: {unfinished}" if unfinished else "none unfinished",
                "newsletter campaigns resume ID",
            )
        )
        unknown = connection.execute(
            select(func.count()).where(deliveries.c.state == DeliveryState.UNKNOWN)
        ).scalar_one()
        found.append(
            Health(
                "unknown", unknown == 0, f"{unknown} deliveries", "newsletter campaigns resolve ID"
            )
        )
        found += look_at_letters(connection, now)
    return found


def _zones(connection: Connection) -> Health:
    """Look for zones that `tzdata` does not know, or no longer."""
    unknown = [
        f"{what} '{row.name}' has '{row.timezone}'"
        for what, table in (("list", lists), ("schedule", schedules))
        for row in connection.execute(
            select(table.c.name, table.c.timezone).where(table.c.timezone.is_not(None))
        )
        if not is_zone(row.timezone)
    ]
    fix = "newsletter lists update NAME --timezone ZONE, schedule update NAME --timezone ZONE"
    return Health("zones", not unknown, "; ".join(unknown) or "all known", fix)


def sender_addresses(database: Database) -> tuple[str, ...]:
    """Return the From addresses that single lists have of their own."""
    with database.read() as connection:
        own = select(lists.c.from_email).where(lists.c.from_email.is_not(None)).distinct()
        return tuple(sorted(connection.execute(own).scalars()))


def look_at_templates(settings: Settings) -> list[Health]:
    """Render a small digest, and letters, with the operator's templates; raises `TemplateError`.

    Letters too: a broken one keeps newcomers from confirming.
    """
    words = (Text("A sentence to see that the templates work."),)
    digest = Digest(
        slug="doctor",
        title=(Text("Templates"),),
        byline=Byline(author=None, day=date(2026, 1, 1)),
        lede=(Paragraph(words),),
        sections=(),
        sources=(),
        content_hash="0" * 64,
    )
    folder = settings.path(settings.newsletter.templates)
    identity = list_identity(settings, None)
    content = render(digest, identity, templates=folder, theme=theme_of(settings.theme))
    for form in LetterForm:
        render_letter(form, identity, templates=folder, theme=theme_of(settings.theme))
    return [Health("templates", ok=True, detail=f"{len(content.html):,} characters of HTML")]
