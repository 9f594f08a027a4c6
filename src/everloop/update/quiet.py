"""Hours in which the loop starts no update by itself, by the wall clock."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from everloop.errors import invalid

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(r"^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)$")


def check_quiet(quiet: Sequence[str], timezone: str) -> None:
    """Raise :class:`~everloop.errors.InvalidInput` for an entry of another form."""
    try:
        ZoneInfo(timezone)
    except (ValueError, OSError, KeyError):
        wanted = 'a time zone, such as "UTC" or "Europe/Rome"'
        raise invalid("update.timezone", timezone, wanted) from None
    for entry in quiet:
        words = entry.split()
        days, hours = sum(w in DAYS for w in words), [w for w in words if _HOURS.match(w)]
        if not words or days + len(hours) < len(words) or days > 1 or len(hours) > 1:
            wanted = 'a day, hours or both, such as "sat", "22:00-06:00" or "fri 16:00-23:59"'
            raise invalid("update.quiet", entry, wanted)
        if any(begin == end for begin, _, end in (word.partition("-") for word in hours)):
            raise invalid("update.quiet", entry, "hours that end at another time than they begin")


def always_quiet(quiet: Sequence[str]) -> bool:
    """Whether the entries together leave no minute of the week.

    A stretch that none covers begins at midnight or where some entry ends.
    """
    ends = [match for entry in quiet for word in entry.split() if (match := _HOURS.match(word))]
    minutes = {0, *(int(hours[3]) * 60 + int(hours[4]) for hours in ends)}
    monday = datetime(2001, 1, 1, tzinfo=UTC)
    moments = [monday + timedelta(days=day, minutes=m) for day in range(7) for m in minutes]
    return all(any(_covers(entry, moment) for entry in quiet) for moment in moments)


def quiet_now(quiet: Sequence[str], timezone: str, clock: int) -> str | None:
    """The entry that covers ``clock`` (ms since 1970, wall clock); None when none does.

    Hours that pass midnight belong to the day on which they begin.
    """
    now = datetime.fromtimestamp(clock / 1000, tz=ZoneInfo(timezone))
    return next((entry for entry in quiet if _covers(entry, now)), None)


def _covers(entry: str, now: datetime) -> bool:
    day = next((word for word in entry.split() if word in DAYS), None)
    hours = next((match for word in entry.split() if (match := _HOURS.match(word))), None)
    today, minute = now.weekday(), now.hour * 60 + now.minute
    if hours is None:
        return day == DAYS[today]
    begin = int(hours[1]) * 60 + int(hours[2])
    end = int(hours[3]) * 60 + int(hours[4])
    if begin <= end:
        return begin <= minute < end and day in (None, DAYS[today])
    if minute >= begin:
        return day in (None, DAYS[today])
    return minute < end and day in (None, DAYS[today - 1])
