"""The tables of what slows a send down on purpose; `tables` has the campaigns."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, String, Table, Text

from newsletter.storage.columns import Instant, metadata

sending_days = Table(
    "sending_days",
    metadata,
    # ISO date in the newsletter's zone: what a warm-up plan counts by.
    Column("day", String(10), primary_key=True),
    Column("provider", String(16), primary_key=True),
    Column("accepted", Integer, nullable=False),
    sqlite_with_rowid=False,
)

account_rates = Table(
    "account_rates",
    metadata,
    # The bucket of an account's rate where several processes share it.
    Column("account", String(16), primary_key=True),
    Column("next_free_us", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

domain_holds = Table(
    "domain_holds",
    metadata,
    # A remote domain that refuses us as a whole: left alone until then.
    Column("domain", String(255), primary_key=True),
    Column("until", Instant, nullable=False),
    Column("reason", Text, nullable=False),
    Column("campaign_id", Integer, ForeignKey("campaigns.id"), nullable=False),
    Column("at", Instant, nullable=False),
    sqlite_with_rowid=False,
)
