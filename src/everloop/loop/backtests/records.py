"""What a backtest is asked for, what it keeps while it runs, and what comes of it."""

from __future__ import annotations

from typing import Any

import msgspec

from everloop.durations import milliseconds
from everloop.errors import invalid

MOST_WINDOWS = 1000


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is asked for.

    Attributes
    ----------
    data : a table with time and labels, as ``data.source``; the loop's own source unless given.
    policies : name → keys of ``[update]`` that differ from the loop file's; usual ones unless
        given. A name alone (an empty table) may be that of a usual one.
    windows : into how many windows of one length the stream after the first part is cut.
    train : share of the stream's time that trains the first champion.
    delay : how long after its row a label comes; the loop's ``labels_after`` unless given.
    labels : share of the labels that come at all, chosen by ``seed``.
    approve_after : how long a person takes to say yes; at once unless given.
    loop : which loop of the project; the only one unless given.
    """

    data: str = ""
    policies: dict[str, dict[str, Any]] = {}
    windows: int = 30
    train: float = 0.3
    delay: str = ""
    labels: float = 1.0
    seed: int = 0
    approve_after: str = ""
    loop: str | None = None

    def checked(self) -> Plan:
        """Itself; raises :class:`~everloop.errors.InvalidInput` for a value that is none."""
        if not 2 <= self.windows <= MOST_WINDOWS:
            raise invalid("windows", self.windows, f"a whole number from 2 to {MOST_WINDOWS}")
        if not 0 < self.train < 1:
            raise invalid("train", self.train, "a share between 0 and 1")
        if not 0 < self.labels <= 1:
            raise invalid("labels", self.labels, "a share above 0, at most 1")
        if not 0 <= self.seed < 2**31:
            raise invalid("seed", self.seed, "a whole number from 0 to 2147483647")
        for field in ("delay", "approve_after"):
            if text := getattr(self, field):
                milliseconds(text, field)
        return self


class Policy(msgspec.Struct, frozen=True):
    """A name, and what differs from the loop file's ``[update]``."""

    name: str
    update: dict[str, Any] = {}


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """All that a backtest goes on from; the stream lies beside it.

    ``declaration`` is that of its projects, without a policy. Window ``i`` is
    ``[begin + i * width, begin + (i + 1) * width)`` in ms of event time, of ``count``.
    """

    id: str
    loop: str
    created: int
    plan: Plan
    declaration: dict[str, Any]
    policies: list[Policy]
    notes: list[str]
    begin: int
    width: int
    count: int
    delay: int
    metric: str
    greater_is_better: bool


class Played(msgspec.Struct, kw_only=True):
    """One window of one policy: written once it is answered, and again once it is decided."""

    rows: int
    labelled: int
    score: float | None
    version: int
    decided: bool = False
    action: str = ""  # of the decision: none, cycle, refuse
    reason: str = ""
    verdicts: list[str] = []  # of the cycles that ended in it


class Progress(msgspec.Struct):
    """The windows of a policy so far, in the database of its project."""

    windows: list[Played] = []


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy came to.

    Attributes
    ----------
    score, low, high : the metric's mean over all windows by their rows, and its interval of 95 %.
    behind, behind_low, behind_high : by how much the best policy is better, by the same windows.
    regret : the mean over all windows of how much the best policy of each was better.
    updates : cycles that ended in a promotion; ``fits`` those that fitted a model anew.
    seconds : compute of all its steps, the first champion's left out.
    verdicts : how its cycles ended. scores, versions : one for each window, with
        ``events`` (window, verdict, reason) of the cycles.
    """

    name: str
    update: dict[str, Any]
    score: float | None
    low: float | None
    high: float | None
    behind: float | None
    behind_low: float | None
    behind_high: float | None
    regret: float | None
    updates: int
    fits: int
    seconds: float
    verdicts: dict[str, int]
    scores: list[float | None]
    versions: list[int]
    events: list[tuple[int, str, str]]


class Span(msgspec.Struct, frozen=True):
    """A window of the stream: event time in ms, its rows, and those with a label."""

    start: int
    end: int
    rows: int
    labelled: int


class Backtested(msgspec.Struct, frozen=True, kw_only=True):
    """A backtest that is over; policies in the order in which they were asked for.

    ``best`` has the best score, and ``choice`` the fewest fits of those that are surely within
    half a percent of it (what an update must bring, unless a policy says otherwise).
    """

    id: str
    loop: str
    metric: str
    greater_is_better: bool
    windows: list[Span]
    train_rows: int
    delay: int
    labels: float
    seed: int
    policies: list[Outcome]
    best: str
    choice: str
    notes: list[str]
    format: int = 1

    def named(self, name: str) -> Outcome:
        """The policy called so."""
        return next(one for one in self.policies if one.name == name)


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A backtest of the project: running, waiting, done, failed, stopped, or cut off.

    ``done`` of ``total`` windows were played, over all policies.
    """

    id: str
    loop: str
    created: int
    state: str
    done: int
    total: int
    policies: list[str]
    error: str = ""
    result: Backtested | None = None
