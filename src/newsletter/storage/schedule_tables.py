"""The tables of schedules and their editions (H1); `tables` has all others, and names these too."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    true,
)

from newsletter.storage.columns import Instant, metadata

schedules = Table(
    "schedules",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("list_id", Integer, ForeignKey("lists.id"), nullable=False),
    Column("segment", String(64)),
    # Wall time HH:MM and days `mon,tue`, or a cron expression of five fields; in this zone (H1).
    Column("time", String(5)),
    Column("days", String(27)),
    Column("cron", String(100)),
    Column("timezone", String(64), nullable=False),
    # At that time of each reader's own zone (H6).
    Column("by_reader", Boolean, nullable=False, default=False, server_default=false()),
    # Waits for an operator's yes (H7), asked so many seconds before it is due.
    Column("approval", Boolean, nullable=False, default=False, server_default=false()),
    Column("lead_s", Integer, nullable=False, default=0, server_default="0"),
    # Which digest belongs to an edition: `day` (of the same date) or `latest`.
    Column("digest_rule", String(8), nullable=False, default="day", server_default="day"),
    # How late it may still be fired after the process was away (H4).
    Column("grace_s", Integer, nullable=False),
    # How long after its time a digest, or an approval, is waited for (H5, H7).
    Column("deadline_s", Integer, nullable=False),
    # Whether the archive names its campaigns.
    Column("listed", Boolean, nullable=False, default=True, server_default=true()),
    Column("paused", Boolean, nullable=False, default=False, server_default=false()),
    # Occurrences up to then are no concern of it: it was made, or resumed, then.
    Column("since", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
)

schedule_skips = Table(
    "schedule_skips",
    metadata,
    Column("schedule_id", Integer, ForeignKey("schedules.id"), primary_key=True),
    # ISO date in the schedule's zone (H8).
    Column("day", String(10), primary_key=True),
    Column("note", Text),
)

editions = Table(
    "editions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("schedule_id", Integer, ForeignKey("schedules.id"), nullable=False),
    # ISO date in the schedule's zone: the key of an edition (H1).
    Column("day", String(10), nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("deadline_at", Instant, nullable=False),
    Column("status", String(12), nullable=False),
    # Why it waits, or what became of it, in a sentence.
    Column("reason", Text),
    # The revision that was put before the operators, and that alone their yes is for (H7).
    Column("digest_slug", String(200)),
    Column("content_hash", String(64)),
    Column("asked_at", Instant),
    Column("decided_at", Instant),
    Column("decided_by", String(200)),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    UniqueConstraint("schedule_id", "day"),
)
