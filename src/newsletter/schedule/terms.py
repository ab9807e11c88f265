"""What may be said of a schedule: checked word by word, and turned into the table's columns.

The rows themselves are kept by `schedules`; single words are read by `wording`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, TypedDict

from sqlalchemy import Connection

from newsletter.audience.segments import get_segment
from newsletter.clock import is_zone
from newsletter.schedule.mistakes import ScheduleError, nearest, unknown_zone
from newsletter.schedule.model import DigestRule
from newsletter.schedule.wording import read_days, read_time, write_days

USUAL_TERMS: Mapping[str, Any] = {
    **dict.fromkeys(("segment", "time", "days", "cron")),
    "timezone": "UTC",
    "by_reader": False,
    "approval": False,
    "lead_s": 0,
    "digest_rule": DigestRule.DAY.value,
    "grace_s": 3 * 3600,
    "deadline_s": 3 * 3600,
    "listed": True,
}
"""The columns that words may change, with what they are where nothing is said (H4, H5)."""
_USUAL_LEAD = timedelta(minutes=30)
_LONGEST = timedelta(days=7)
_SHORTEST = timedelta(minutes=1)
"""Of grace and deadline: an edition is looked at every few seconds, not at its very instant."""
_LONGEST_CRON = 100


class ScheduleWords(TypedDict, total=False):
    """What may be said of a schedule when it is added or changed; what is not said stays.

    `time` HH:MM, `days` as `mon,thu`, `daily` or `weekdays`, `cron` of five fields; `segment` None
    is the whole list; the rest as in `Schedule`.
    """

    time: str
    days: str
    cron: str
    timezone: str
    segment: str | None
    by_reader: bool
    approval: bool
    lead: timedelta
    digest: str
    grace: timedelta
    deadline: timedelta
    listed: bool


def checked_terms(
    connection: Connection, current: Mapping[str, Any], words: ScheduleWords
) -> dict[str, Any]:
    """Return the columns of a schedule with what was said put in, every word checked.

    Raises `ScheduleError` with the nearest word that there is, `AudienceError` for a segment.
    """
    values = {**current, **_moment(current, words)}
    if values["time"] is None and values["cron"] is None:
        raise ScheduleError(
            "a schedule needs a time", fix="give --time 07:30, or --cron '30 7 * * 1-5'"
        )
    if not is_zone(values["timezone"]):
        raise unknown_zone(values["timezone"])
    if "segment" in words:
        name = words["segment"]
        values["segment"] = get_segment(connection, name).name if name is not None else None
    for key in ("by_reader", "approval", "listed"):
        if key in words:
            values[key] = words[key]
    if "digest" in words:
        values["digest_rule"] = _rule(words["digest"])
    for word in ("grace", "deadline"):
        if word in words:
            values[f"{word}_s"] = _seconds(_bounded(word, words[word], _SHORTEST))
    values["lead_s"] = _lead(current, values, words)
    return values


def _moment(current: Mapping[str, Any], words: ScheduleWords) -> dict[str, Any]:
    """Return the columns that say when: a time with days, or a cron expression, never both."""
    values: dict[str, Any] = {}
    if "cron" in words:
        if "time" in words or "days" in words:
            raise ScheduleError(
                "a cron expression says time and days by itself",
                fix="give --cron alone, or --time with --days",
            )
        cron = " ".join(words["cron"].split())
        if len(cron) > _LONGEST_CRON:
            raise ScheduleError(
                f"the cron expression has {len(cron)} characters, at most {_LONGEST_CRON} are kept",
                fix="use ranges (1-5) in place of long enumerations",
            )
        values |= {"cron": cron, "time": None, "days": None}
    if "time" in words:
        values |= {"time": f"{read_time(words['time']):%H:%M}", "cron": None}
    if "days" in words:
        if "time" not in words and current["time"] is None:
            raise ScheduleError("days of the week belong to a time", fix="give --time with --days")
        values["days"] = write_days(read_days(words["days"])) or None
    if "timezone" in words:
        values["timezone"] = words["timezone"]
    return values


def _lead(current: Mapping[str, Any], values: Mapping[str, Any], words: ScheduleWords) -> int:
    if not values["approval"]:
        if "lead" in words:
            raise ScheduleError(
                "a lead is the time to approve in, and nothing waits for approval here",
                fix="give --lead together with --approval",
            )
        return 0
    if "lead" in words:
        return _seconds(_bounded("lead", words["lead"], timedelta()))
    return int(current["lead_s"]) if current["approval"] else _seconds(_USUAL_LEAD)


def _rule(word: str) -> str:
    known = [rule.value for rule in DigestRule]
    if word in known:
        return word
    meant = nearest(word, known)
    raise ScheduleError(
        f"'{word}' is no rule for which digest belongs to an edition",
        fix=f"did you mean '{meant}'?" if meant else "use day (the date's own) or latest",
    )


def _bounded(word: str, length: timedelta, least: timedelta) -> timedelta:
    if least <= length <= _LONGEST:
        return length
    raise ScheduleError(
        f"a {word} of {length} is outside of what a schedule keeps to",
        fix="use between one minute and seven days, such as 3h",
    )


def _seconds(length: timedelta) -> int:
    return int(length.total_seconds())
