"""What servers' answers in files of suppressions say of an address, by the table of classes."""

from __future__ import annotations

from newsletter.audience.suppression_words import Reply, ReplyReader
from newsletter.delivery.bounce_classes import BounceClass, BounceTable
from newsletter.delivery.bounce_rules import TEMPORARY


def reply_reader(table: BounceTable) -> ReplyReader:
    """Return what judges an answer (status, code, words) by a table."""

    def read(status: str | None, code: int | None, text: str) -> Reply:
        decision = table.decide(status, code, text)
        if decision.becomes is BounceClass.HARD:
            return Reply.GONE
        if decision.becomes is BounceClass.BLOCKED:
            return Reply.OURS
        return Reply.PASSING if decision.rule is TEMPORARY else Reply.UNCLEAR

    return read
