"""Whether rows still come as often as they did; a source that stops is no drift."""

from __future__ import annotations

import statistics

import msgspec

from everloop.monitor.coverage import spoken

SILENCE = "(silence)"  # what an alert of it is about
MINUTE, DAY = 60_000, 86_400_000
NEWEST = 50  # gaps that tell what is usual
DAYS = 14  # of which the longest gap is known
LEAST = 5  # gaps, before anything is said
TIMES = 2  # the longest gap
SHORTEST = 10 * MINUTE  # silences that nobody is told of


class Rhythm(msgspec.Struct, frozen=True):
    """When rows came, to the minute.

    ``gaps`` are the newest ones between two arrivals (ms), ``longest`` those of each day that is
    remembered, by its number.
    """

    last: int = 0
    gaps: tuple[int, ...] = ()
    longest: dict[int, int] = {}

    def after(self, arrived: int, since: int) -> Rhythm:
        """With an arrival; the gap before it counts where somebody looked all the time, ``since``
        then."""
        if arrived < self.last + MINUTE:
            return self
        if not self.last or self.last < since:
            return msgspec.structs.replace(self, last=arrived)
        gap, day = arrived - self.last, arrived // DAY
        longest = {d: most for d, most in self.longest.items() if d > day - DAYS}
        longest[day] = max(gap, longest.get(day, 0))
        return Rhythm(arrived, (*self.gaps, gap)[-NEWEST:], longest)

    def silence(self, now: int, since: int, allowed: int | None = None) -> str | None:
        """``no rows for 3 h, usually every 10 min`` once that is too long.

        ``allowed`` is how long nothing may come (ms); without it twice the longest gap of the last
        fortnight, looked at ``since`` then.
        """
        quiet = now - max(self.last, since)
        if not self.last or quiet < (allowed or SHORTEST):
            return None
        if allowed is None and (
            len(self.gaps) < LEAST or quiet <= TIMES * max(self.longest.values())
        ):
            return None
        usual = f", usually every {spoken(statistics.median(self.gaps) / 1000)}"
        said = usual if self.gaps else f", at most {spoken((allowed or 0) / 1000)} are expected"
        return f"no rows for {spoken(quiet / 1000)}{said}"
