"""A gain against its price: what an update would bring, what it costs, and what would turn it."""

from __future__ import annotations

import math

import msgspec

from everloop.update.cost import Cost, Experience, cost_of, lasts, money_of
from everloop.update.record import Share, share_that_comes_true
from everloop.update.situation import Situation
from everloop.update.spec import UpdateSpec
from everloop.update.worth import Worth

DAY_MS = 86_400_000


class Weighed(msgspec.Struct, frozen=True):
    """What an update is worth, and how that came about.

    ``gain``, ``low`` and ``high`` are the probe's, times the ``share`` that came true in so many
    past ``updates``. ``needed`` is the gain from which on it is worth it: a share of the score, or
    what pays for ``cost`` when a person said what the metric is worth. ``money`` is the gain's
    worth over ``days``. ``would`` says what would change the mind.
    """

    worth: bool
    metric: str
    gain: float
    low: float
    high: float
    share: float
    updates: int
    needed: float
    cost: Cost | None = None
    money: float | None = None
    days: float | None = None
    would: str = ""


def weigh(worth: Worth, situation: Situation, spec: UpdateSpec) -> Weighed:
    """Weigh what a probe found. Without ``update.value`` no money is in it."""
    past = situation.experience or Experience()
    share = share_that_comes_true(past.updates, worth.metric)
    gain, low, high = (share.value * number for number in (worth.gain, worth.low, worth.high))
    cost = money = days = None
    needed = worth.needed
    if spec.value is not None:
        duration = lasts(past, spec.value)
        cost, days = cost_of(past, spec, situation.method), duration / DAY_MS
        money = money_of(gain, spec.value, duration)
        needed = cost.total / money_of(1.0, spec.value, duration)
    good = worth.enough and gain >= needed and low > 0
    would = "" if good else _would(worth, gain, low, needed, situation)
    return Weighed(
        good, worth.metric, gain, low, high, share.value, share.updates, needed, cost, money, days,
        would,
    )  # fmt: skip


def weighed_words(worth: Worth, weighed: Weighed) -> str:
    """The clauses of the decision's sentence: gain, history, cost, and what would change it."""
    said = [worth.summary(None if weighed.cost is not None else worth.needed)]
    if worth.enough and weighed.updates:
        share = Share(weighed.share, weighed.updates)
        said.append(f"{_history(share)}, which leaves {weighed.gain:+.4f}")
    if worth.enough and weighed.cost is not None and weighed.money is not None:
        said.append(
            f"it is worth {weighed.money:,.2f} over {weighed.days or 0:.3g} days and costs "
            f"{weighed.cost.said()}"
        )
    return "; ".join([*said, *([weighed.would] if weighed.would else [])])


def _history(share: Share) -> str:
    times = "1 past update" if share.updates == 1 else f"{share.updates} past updates"
    return f"{share.value:.0%} of what was expected came true in {times}"


def _would(worth: Worth, gain: float, low: float, needed: float, situation: Situation) -> str:
    """What would change a no."""
    if not worth.enough:
        return _at_most(situation)
    if gain < needed:
        more = "" if low > 0 else " with an interval above nothing"
        return f"a gain of {needed:.4f}{more} would be"
    if gain <= 0:
        return "a challenger that is better on these rows would be"
    reach = (gain - low) / gain
    rows = max(math.ceil(worth.rows * reach**2), worth.rows + 1)
    return f"the same gain on about {rows:,} rows would be"


def _at_most(situation: Situation) -> str:
    """What the estimate says of a loss that no label shows yet: no more can be won back."""
    newest = situation.newest
    if newest is None or newest.estimated is None:
        return ""
    found = newest.estimated
    lost = found.tested - found.value
    if lost <= 0:
        return f"by estimate {found.metric} is as good as when it was tested"
    return (
        f"by estimate {found.metric} is {lost:.4f} below the {abs(found.tested):.4g} when it was "
        "tested, which is the most that could be won back; labels will tell"
    )
