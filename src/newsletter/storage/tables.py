"""All tables but those of schedules and of pacing, for SQLite and PostgreSQL alike.

States of deliveries are small numbers here to keep the ledger narrow (G20); their names are in
`newsletter.delivery.states`.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
    true,
)

from newsletter.storage.columns import Instant, Key, metadata


def _partial(name: str, condition: str, *columns: str) -> Index:
    """Return an index of the few rows that a condition holds for."""
    where = text(condition)
    return Index(name, *columns, sqlite_where=where, postgresql_where=where)


installation = Table(
    "installation",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("installation_id", String(36), nullable=False),
    Column("epoch", Integer, nullable=False),
    # Proves that the suppression key file is the one that made the stored hashes (E10).
    Column("suppression_check", String(64)),
    # Somebody was erased since the file was last written anew: free pages may still hold them.
    Column("scrub_due", Boolean, nullable=False, default=False, server_default=false()),
    # When the database last counted as a copy of another.
    Column("copied_at", Instant),
    # Letters written up to then wait for the operator's word; null: none do.
    Column("letters_held_until", Instant),
    # Up to when the provider's own suppressions are known here (D12).
    Column("reconciled_at", Instant),
    Column("created_at", Instant, nullable=False),
)

lists = Table(
    "lists",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("title", String(200), nullable=False),
    Column("list_id", String(255), nullable=False, unique=True),
    Column("from_name", String(200)),
    Column("from_email", String(254)),
    Column("reply_to", String(254)),
    Column("language", String(35)),
    Column("timezone", String(64)),
    Column("reason", Text),
    # Whether anybody may ask to join it by its page, and see it there.
    Column("public", Boolean, nullable=False, default=True, server_default=true()),
    Column("created_at", Instant, nullable=False),
)

subscribers = Table(
    "subscribers",
    metadata,
    Column("id", Key, primary_key=True),
    Column("address", String(320), nullable=False),
    # The identity of the address (D11).
    Column("address_key", String(320), nullable=False, unique=True),
    # Raised when the address changes: links in mail to an earlier one may do no more than leave.
    Column("address_epoch", BigInteger, nullable=False, default=0, server_default="0"),
    # When they took another address: older news of the one before is not theirs.
    Column("address_changed_at", Instant),
    Column("name", String(200)),
    Column("timezone", String(64)),
    Column("language", String(35)),
    Column("attributes", JSON),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
)

subscriber_tags = Table(
    "subscriber_tags",
    metadata,
    Column("tag", String(64), primary_key=True),
    Column(
        "subscriber_id",
        Key,
        ForeignKey("subscribers.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Index(None, "subscriber_id"),
    sqlite_with_rowid=False,
)

memberships = Table(
    "memberships",
    metadata,
    Column("list_id", Integer, ForeignKey("lists.id"), primary_key=True),
    Column(
        "subscriber_id",
        Key,
        ForeignKey("subscribers.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("status", String(12), nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("paused_until", Instant),
    # Who paused it, where that was not the reader: soft bounces (D5).
    Column("paused_because", String(16)),
    Index(None, "subscriber_id"),
    sqlite_with_rowid=False,
)

imports = Table(
    "imports",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("list_id", Integer, ForeignKey("lists.id"), nullable=False),
    Column("file_name", Text, nullable=False),
    Column("file_hash", String(64), nullable=False),
    Column("consent", Text),
    Column("actor", String(200), nullable=False),
    Column("counts", JSON, nullable=False),
    Column("at", Instant, nullable=False),
)

consents = Table(
    "consents",
    metadata,
    Column("id", Key, primary_key=True),
    # Null after an erasure: the row stays, the person is gone (C15).
    Column("subscriber_id", Key, ForeignKey("subscribers.id", ondelete="SET NULL")),
    Column("list_id", Integer, ForeignKey("lists.id"), nullable=False),
    Column("act", String(12), nullable=False),
    Column("how", String(16), nullable=False),
    Column("source", Text),
    Column("wording", Text),
    # Names the wording's version; the network is shortened or hashed by policy (C12).
    Column("version", String(40)),
    Column("network", String(64)),
    Column("import_id", Integer, ForeignKey("imports.id")),
    Column("at", Instant, nullable=False),
    Index(None, "subscriber_id", "list_id"),
)

suppressions = Table(
    "suppressions",
    metadata,
    # Hex of the HMAC-SHA-256 of the address key (E10).
    Column("key", String(64), primary_key=True),
    Column("reason", String(16), nullable=False),
    Column("note", Text),
    Column("at", Instant, nullable=False),
    sqlite_with_rowid=False,
)

suppression_lifts = Table(
    "suppression_lifts",
    metadata,
    # As in `suppressions`; of lifts from before this table, the first 16 digits.
    Column("key", String(64), primary_key=True),
    # The last time that it was lifted: older news does not suppress again.
    Column("at", Instant, nullable=False),
    sqlite_with_rowid=False,
)

letters = Table(
    "letters",
    metadata,
    # Also the number in the Message-ID and in the link, so it is never used again.
    Column("id", Key, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("subscriber_id", Key, ForeignKey("subscribers.id", ondelete="SET NULL")),
    # That of the subscriber when it was written: its link is over once they have another address.
    Column("address_epoch", BigInteger, nullable=False, default=0, server_default="0"),
    Column("list_id", Integer, ForeignKey("lists.id"), nullable=False),
    # Where it goes when that is not the subscriber's own address.
    Column("address", String(320)),
    # HMAC-SHA-256 of the address key: whether it is suppressed, and still the same.
    Column("address_hash", String(64), nullable=False),
    # What limits count by: the same of the mailbox that the address leads to.
    Column("mailbox_hash", String(64), nullable=False, default="", server_default=""),
    # An operator asked: pressing its link lifts a suppression (C10).
    Column("lifts", Boolean, nullable=False, default=False, server_default=false()),
    Column("state", SmallInteger, nullable=False),
    Column("tries", SmallInteger, nullable=False, default=0, server_default="0"),
    Column("fence", String(36)),
    Column("lease_until", Instant),
    Column("not_before", Instant),
    Column("reason", String(40)),
    Column("answer", Text),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("settled_at", Instant),
    # When the link in it was pressed: it works once.
    Column("used_at", Instant),
    Index(None, "address_hash"),
    Index(None, "mailbox_hash"),
    Index(None, "state"),
    Index(None, "subscriber_id"),
    sqlite_autoincrement=True,
)

segments = Table(
    "segments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    # As the operator wrote it; compiled anew for each use (E11).
    Column("condition", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
)

digests = Table(
    "digests",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("slug", String(200), nullable=False),
    Column("content_hash", String(64), nullable=False),
    Column("title", Text, nullable=False),
    Column("markdown", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("slug", "content_hash"),
)

campaigns = Table(
    "campaigns",
    metadata,
    Column("id", Integer, primary_key=True),
    # What makes the freeze idempotent (G1): list, digest, and how many times it was asked anew.
    Column("key", String(300), nullable=False, unique=True),
    Column("list_id", Integer, ForeignKey("lists.id"), nullable=False),
    Column("digest_id", Integer, ForeignKey("digests.id"), nullable=False),
    Column("status", String(12), nullable=False),
    Column("status_reason", Text),
    Column("provider", String(16), nullable=False),
    Column("content", JSON, nullable=False),
    Column("identity", JSON, nullable=False),
    Column("message_id_salt", String(32), nullable=False),
    Column("on_unknown", String(8), nullable=False),
    Column("recipients", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("not_before", Instant),
    Column("expires_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("sending_ms", Integer, nullable=False, default=0, server_default="0"),
    # The first so many go out alone; then the campaign waits and is judged (D7).
    Column("canary", Integer, nullable=False, default=0, server_default="0"),
    Column("canary_until", Instant),
    # When the brake on hard bounces looked at this campaign and let it go on.
    Column("judged_at", Instant),
    # When a brake paused it, which each does once: whoever resumes it has the last word.
    Column("bounces_braked_at", Instant),
    Column("complaints_braked_at", Instant),
    # When soft refusals at sending time were counted for its readers (D5).
    Column("reviewed_at", Instant),
    # The segment whose members of the list were frozen, as it was then; null: the whole list.
    Column("segment", String(64)),
    Column("segment_condition", Text),
    # The edition that it is the one campaign of (I8). No foreign key: a table that others refer to
    # cannot get one in SQLite.
    Column("edition_id", Integer),
    # Each reader's own wall time, HH:MM: deliveries wait for theirs (H6).
    Column("wave_time", String(5)),
    # ISO date of the waves, the zone of readers without one, and how long each wave may leave.
    Column("wave_day", String(10)),
    Column("wave_zone", String(64)),
    Column("wave_expires_s", Integer),
    # Whether the archive, its feeds and the sitemap name it; its page is there anyway.
    Column("listed", Boolean, nullable=False, default=True, server_default=true()),
    # The archive reads these without the mails, which stand in the rows before `listed`.
    Index(
        "ix_campaigns_archive",
        *("list_id", "digest_id", "status", "listed", "not_before", "created_at"),
    ),
    Index("uq_campaigns_edition_id", "edition_id", unique=True),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("campaign_id", Integer, ForeignKey("campaigns.id"), primary_key=True),
    # No foreign key: the ledger outlives an erased subscriber, as a bare number.
    Column("subscriber_id", Key, primary_key=True),
    Column("state", SmallInteger, nullable=False),
    Column("tries", SmallInteger, nullable=False, default=0, server_default="0"),
    Column("attempt_id", Key),
    Column("not_before", Instant),
    Column("reason", String(40)),
    Column("answer", Text),
    sqlite_with_rowid=False,
)

attempts = Table(
    "attempts",
    metadata,
    # The id is also the fence: it only grows, and a record names it (G5).
    Column("id", Key, primary_key=True),
    Column("campaign_id", Integer, ForeignKey("campaigns.id"), nullable=False),
    Column("worker", String(64), nullable=False),
    # The boot of the machine: within one boot the flight log survives a killed process.
    Column("boot_id", String(64)),
    Column("size", Integer, nullable=False),
    Column("claimed_at", Instant, nullable=False),
    Column("lease_until", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("provider_ids", Text),
    Index(None, "campaign_id"),
    sqlite_autoincrement=True,
)

events = Table(
    "events",
    metadata,
    Column("id", Key, primary_key=True),
    # When it happened, by the clock of whoever tells of it.
    Column("at", Instant, nullable=False),
    Column("kind", String(24), nullable=False),
    # Null until it is applied, and where it is nobody's of ours.
    Column("campaign_id", Integer, ForeignKey("campaigns.id")),
    Column("subscriber_id", Key),
    Column("attempt_id", Key),
    Column("provider", String(16)),
    Column("provider_event_id", String(128), unique=True),
    Column("detail", JSON),
    # The delivery as the event names it: `7-1234`.
    Column("delivery", String(40)),
    Column("address", String(320)),
    # HMAC of the address key, so that an erasure finds what names a person (E10).
    Column("address_hash", String(64)),
    Column("domain", String(255)),
    # The class of D3, of what failed.
    Column("bounce", String(8)),
    Column("reason", String(40)),
    # Whether anything may follow from it: signed, sealed, or by the operator's rule (D8).
    Column("believed", Boolean, nullable=False, default=True, server_default=true()),
    Column("received_at", Instant),
    # Null while it waits to be applied (D2).
    Column("applied_at", Instant),
    Index(None, "campaign_id", "subscriber_id"),
    Index(None, "subscriber_id"),
    Index(None, "address_hash"),
    _partial("ix_events_waiting", "applied_at IS NULL", "id"),
    _partial("ix_events_complained", "kind = 'complained'", "campaign_id"),
    _partial("ix_events_blocked", "bounce = 'blocked'", "domain", "at"),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", Key, primary_key=True),
    # What it is about, so that the same trouble is told once.
    Column("key", String(200), nullable=False, unique=True),
    Column("kind", String(24), nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("campaign_id", Integer),
    Column("at", Instant, nullable=False),
    # Null while somebody has to be told still.
    Column("told_at", Instant),
    Column("tries", SmallInteger, nullable=False, default=0, server_default="0"),
    Column("next_try", Instant),
    # By which ways it was told, and what went wrong with the others.
    Column("ways", JSON),
    Column("edition_id", Integer),
    _partial("ix_alerts_untold", "told_at IS NULL", "id"),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", Key, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("detail", JSON),
    Index(None, "subject"),
)
