"""What a decision looks at: small values only, so that it can be recorded whole and replayed."""

from __future__ import annotations

import msgspec

from everloop.monitor.windows import Alert, Window, WindowStore
from everloop.update.budget import Spent
from everloop.update.cost import Experience
from everloop.update.worth import Worth

RECENT = 32  # windows that a decision looks back on
GROWTH = 1.25  # times the rows of the last time: then what goes on is worth another look


class Estimated(msgspec.Struct, frozen=True):
    """What a window's score may be before its labels come, and was when the champion was tested.

    Greater is better.
    """

    metric: str
    value: float
    tested: float

    @classmethod
    def of(cls, window: Window) -> Estimated | None:
        said = window.performance or {}
        value, baseline = window.expected, said.get("baseline")
        if value is None or baseline is None or said.get("state") != "waiting":
            return None
        tested = float(baseline["value"])
        # The estimate has the metric's own sign, the baseline that of "greater is better".
        return cls(baseline["metric"], -value if tested < 0 < value else value, tested)


class Seen(msgspec.Struct, frozen=True):
    """One window, as far as decisions go."""

    start: int
    end: int
    rows: int
    labelled: int
    quarantined: bool
    faults: tuple[str, ...] = ()  # sentences
    drifting: tuple[str, ...] = ()  # features that drift far, strongest first
    worse: bool = False
    expected_worse: bool = False  # by an estimate, before labels
    estimated: Estimated | None = None
    broken: tuple[str, ...] = ()  # features whose faults put it into quarantine

    @classmethod
    def of(cls, window: Window) -> Seen:
        found = window.checks.get("faults", {})
        broken = [n for n, fault in found.items() if fault["quarantine"] and n[:1] != "("]
        return cls(
            start=window.start,
            end=window.end,
            rows=window.rows,
            labelled=window.labelled,
            quarantined=window.quarantined,
            faults=tuple(f["summary"] for f in found.values() if f["quarantine"]),
            drifting=tuple(window.drifting_far),
            worse=window.worse,
            expected_worse=window.expected_worse,
            estimated=Estimated.of(window),
            broken=tuple(broken),
        )


class Told(msgspec.Struct, frozen=True):
    """One alert, as far as decisions go."""

    id: str
    kind: str
    window: int
    feature: str | None
    summary: str
    severity: str = "warning"

    @classmethod
    def of(cls, alert: Alert) -> Told:
        said = (alert.id, alert.kind, alert.window, alert.feature, alert.summary)
        return cls(*said, alert.severity)


class Considered(msgspec.Struct, frozen=True):
    """The last time an update was considered: a cycle, or a probe that said "not worth it"."""

    at: int  # event time, ms
    rows: int  # that could have trained a model then
    when: int = 0  # by the clock, ms; alerts raised later are news
    source: str | None = None  # fingerprint of the data source then, where it has one


class Heard(msgspec.Struct, frozen=True):
    """One upstream event that somebody told the loop."""

    name: str
    at: int  # by the clock, ms
    by: str
    message: str = ""


class Paused(msgspec.Struct, frozen=True):
    """Who has paused the loop, since when (ms, by the clock) and why."""

    by: str
    since: int
    reason: str = ""
    every: bool = False  # with all the other loops


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """Everything known when a decision is made.

    Attributes
    ----------
    now : event time, ms: the end of the newest window.
    windows : recent ones, oldest first; the last is the newest.
    alerts : raised since the last time an update was considered.
    rows : labelled rows that could train a model now, the first training rows included.
    considered : the last time, or None when never.
    last_cycle : event time and rows of the last cycle, or None.
    worth : what a quick probe said, or None when there was none.
    method : of which method it said so.
    source : fingerprint of the data source now; None where nobody asks for it.
    heard : upstream events that were told since the last time.
    spent : what the cycles of the budget's longest period used, by event time.
    paused : a person's word that no update may begin.
    clock : the wall clock, ms; 0 where nobody asks for it.
    experience : what updates came to before, gathered with a probe; None without one.
    without : the newest version that reads no broken feature, where ``update.fallback`` asks.
    attempted : whether a way round the broken features was tried since they broke.
    avoided : whether the champion reads none of them, so that newer windows will be sound.
    timed : the last cycle that trained, or that a calendar or a count began and a probe ended.
    """

    now: int
    windows: tuple[Seen, ...] = ()
    alerts: tuple[Told, ...] = ()
    rows: int = 0
    considered: Considered | None = None
    last_cycle: Considered | None = None
    worth: Worth | None = None
    method: str = "retrain"
    source: str | None = None
    heard: tuple[Heard, ...] = ()
    spent: tuple[Spent, ...] = ()
    paused: Paused | None = None
    clock: int = 0
    experience: Experience | None = None
    without: int | None = None
    attempted: bool = False
    avoided: bool = False
    timed: Considered | None = None

    @property
    def asked(self) -> Considered | None:
        """Since when a calendar and a count reckon."""
        return self.timed or self.last_cycle

    @property
    def newest(self) -> Seen | None:
        return self.windows[-1] if self.windows else None

    @property
    def grown(self) -> bool:
        """Whether so many rows came since the last time that the answer may be another."""
        return self.considered is None or self.rows >= GROWTH * self.considered.rows

    def told(self, kind: str) -> list[Told]:
        """New alerts of a kind that call for something, from sound windows."""
        unsound = {window.start for window in self.windows if window.quarantined}
        calling = [a for a in self.alerts if a.kind == kind and a.severity != "info"]
        return [a for a in calling if a.window not in unsound]


class Around(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision looks at beside the windows; the fields are those of the situation."""

    source: str | None = None
    heard: tuple[Heard, ...] = ()
    spent: tuple[Spent, ...] = ()
    paused: Paused | None = None
    clock: int = 0


def gather(
    store: WindowStore,
    endpoint: str,
    rows: int,
    considered: Considered | None,
    last_cycle: Considered | None,
    around: Around = Around(),  # noqa: B008 - frozen
    timed: Considered | None = None,
) -> Situation | None:
    """The situation of an endpoint now, without a probe; None while it has no window.

    ``rows``: labelled rows that could train a model, the first training rows included. What was
    ``considered`` last, the ``last_cycle`` and the ``timed`` one are those of the situation.
    """
    newest = store.latest(endpoint)
    if newest is None:
        return None
    windows = store.page(endpoint, limit=RECENT)
    since = considered.when if considered else 0
    alerts = store.alerts(endpoint, limit=1000, raised_after=since)
    return Situation(
        now=newest.end,
        windows=tuple(Seen.of(window) for window in reversed(windows)),
        alerts=tuple(Told.of(alert) for alert in reversed(alerts)),
        rows=rows,
        considered=considered,
        last_cycle=last_cycle,
        timed=timed,
        source=around.source,
        heard=around.heard,
        spent=around.spent,
        paused=around.paused,
        clock=around.clock,
    )
