"""The audit log: who did what to which campaign, list or suppression; append-only (E15)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert

from newsletter.storage.tables import audit_log


def record_audit(
    connection: Connection,
    at: datetime,
    *,
    actor: str,
    action: str,
    subject: str,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Append one act inside the caller's transaction, so that act and record stand or fall as one.

    `actor` is who (`cli:maria`), `action` a dotted verb (`campaign.pause`), `subject` what was
    acted on, without an address in clear.
    """
    connection.execute(
        insert(audit_log).values(
            at=at,
            actor=actor,
            action=action,
            subject=subject,
            detail=dict(detail) if detail is not None else None,
        )
    )
