"""A calendar as cron writes it."""

from __future__ import annotations

from datetime import UTC, datetime

from croniter import CroniterBadDateError, croniter

from everloop.extensions import triggers
from everloop.update.situation import Situation
from everloop.update.triggers._base import Cause, Trigger

TIMES = 400  # of a calendar that are looked at


@triggers.register("cron")
class CronTrigger(Trigger):
    """Fires when a time of the calendar (UTC, event time) has passed since the last cycle.

    Five fields as in crontab(5): minute, hour, day of the month, month, day of the week.
    """

    form = "cron 0 3 * * mon"

    def __init__(self, calendar: str) -> None:
        self.calendar = calendar

    @classmethod
    def parse(cls, text: str) -> Trigger | None:
        word, _, calendar = text.partition(" ")
        fields = calendar.split()
        if word != "cron" or len(fields) != 5 or not croniter.is_valid(calendar):
            return None
        try:
            croniter(calendar, 0.0).get_next()
        except CroniterBadDateError:  # the 31st of February
            return None
        return cls(" ".join(fields))

    def milliseconds(self) -> float:
        """Between two of its times in the mean, over a year or :data:`TIMES` of them."""
        begin = datetime(2001, 1, 1, tzinfo=UTC)  # a Monday
        times = croniter(self.calendar, begin, ret_type=datetime)
        first = last = times.get_next()
        count = 0
        while count < TIMES and (last - first).days < 365:
            last, count = times.get_next(), count + 1
        return float((last - first).total_seconds()) * 1000 / count

    def fires(self, situation: Situation) -> Cause | None:
        now = datetime.fromtimestamp(situation.now / 1000, tz=UTC)
        due: datetime = croniter(self.calendar, now, ret_type=datetime).get_prev()
        if croniter.match(self.calendar, now):  # get_prev() looks strictly before
            due = now.replace(second=0, microsecond=0)
        last = situation.asked
        if last is not None and last.at >= due.timestamp() * 1000:
            return None
        said = f"it was {due:%Y-%m-%d %H:%M} UTC, a time of the calendar {self.calendar}"
        return Cause("cron", said, asked=True, can_wait=True)
