from __future__ import annotations

from datetime import UTC, datetime

import pytest

from everloop.update.budget import Spent, exhausted, longest
from everloop.update.quiet import quiet_now

DAY = 86_400_000
ROME = "Europe/Rome"


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("quiet", "clock", "covered"),
    [
        ("sat", "2026-01-03 00:00", True),  # a Saturday
        ("sat", "2026-01-04 00:00", False),
        ("22:00-06:00", "2026-01-05 21:00", True),  # 22:00 in Rome
        ("22:00-06:00", "2026-01-05 20:59", False),
        ("22:00-06:00", "2026-01-06 04:59", True),
        ("22:00-06:00", "2026-01-06 05:00", False),
        ("22:00-06:00", "2026-07-06 04:00", False),  # summer: 06:00 there
        ("fri 22:00-06:00", "2026-01-03 02:00", True),  # the night that Friday began
        ("fri 22:00-06:00", "2026-01-04 02:00", False),
        ("fri 16:00-23:59", "2026-01-02 15:00", True),
        ("fri 16:00-23:59", "2026-01-03 15:00", False),
    ],
)
def test_quiet_hours_follow_the_wall_clock_of_their_zone(quiet, clock, covered) -> None:
    assert (quiet_now((quiet,), ROME, at(clock)) == quiet) == covered


SPENT = (Spent(1 * DAY, 1800.0), Spent(6 * DAY, 3600.0), Spent(9 * DAY, 600.0))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("2 cycles per 7d", '2 used of the budget "2 cycles per 7d"'),
        ("3 cycles per 7d", None),
        ("3 cycles per 30d", '3 used of the budget "3 cycles per 30d"'),
        ("70m of compute per 7d", '70.0 minutes used of the budget "70m of compute per 7d"'),
        ("2h of compute per 7d", None),
        ("4 of money per 30d", '5 used of the budget "4 of money per 30d"'),
        ("6 of money per 30d", None),
    ],
)
def test_a_budget_counts_what_its_period_saw(line: str, said: str | None) -> None:
    assert exhausted((line,), SPENT, 10 * DAY, 3.0) == said
    assert exhausted(("9 cycles per 90d", line), SPENT, 10 * DAY, 3.0) == said
    assert exhausted((line,), (), 10 * DAY, 3.0) is None


def test_cycles_look_back_on_the_longest_period() -> None:
    assert longest(("1 cycle per 1d", "2h of compute per 7d")) == 7 * DAY
    assert longest(()) == 0
