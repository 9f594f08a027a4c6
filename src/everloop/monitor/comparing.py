"""Two tables beside each other: what is broken, what drifted, how much, and what to make of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from everloop.errors import invalid
from everloop.monitor.aspects.naming import column_of
from everloop.monitor.comparison_page import comparison_html, comparison_table
from everloop.monitor.controls._base import Control, Evidence, Ruling, State, adjust_p_values
from everloop.monitor.findings import Drift, compare_features, find_faults, judge
from everloop.monitor.profile import CategorySketch, NumberSketch, Profile, Sketch
from everloop.monitor.quality._base import Fault
from everloop.monitor.spec import MonitorSpec
from everloop.monitor.summaries.beside import Embed
from everloop.monitor.summaries.drawing import reach, shares
from everloop.monitor.summaries.pairs import Side, both_sides

FEW = 20  # values on either side; fewer tell nothing

Verdict = Literal["no drift", "small drift", "drift", "broken", "not enough evidence"]
_RANK = ("broken", "drift", "small drift", "no drift", "not enough evidence")


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One column on both sides. ``effect`` is from 0 (none) to 1 (nothing in common); ``adjusted``
    is the p-value over all columns together; histograms are shares over the same steps."""

    name: str
    verdict: Verdict
    summary: str
    check: str | None = None
    test: str | None = None
    effect: float = 0.0
    p_value: float | None = None
    adjusted: float | None = None
    before: list[float] = []
    after: list[float] = []


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What :func:`compare` found; columns worst first."""

    verdict: Verdict
    reason: str
    reference_rows: int
    current_rows: int
    level: float
    columns: list[Change]
    notes: list[str] = []

    @property
    def drifted(self) -> list[str]:
        """Columns that drifted, or are broken."""
        return [c.name for c in self.columns if c.verdict in ("drift", "small drift", "broken")]

    def to_dict(self) -> dict[str, Any]:
        """The same as plain dictionaries and lists."""
        told: dict[str, Any] = msgspec.to_builtins(self)
        return told

    def to_html(self, path: str | Path | None = None) -> str:
        """One page that needs nothing beside itself; written to ``path`` where one is given."""
        page = comparison_html(self)
        if path is not None:
            Path(path).write_text(page, "utf-8")
        return page

    def _repr_html_(self) -> str:
        return comparison_table(self)


class _Once(Control):
    """All of the level for a single look: Benjamini and Hochberg over the columns."""

    def rule(self, evidence: Mapping[str, Evidence], state: State) -> Ruling:
        return Ruling(self.limits.false_alarm_rate, adjust_p_values(evidence), state)


def compare(
    reference: Any,
    current: Any,
    *,
    level: float = 0.05,
    min_effect: float = 0.1,
    tests: str | Sequence[str] = (),
    ignore: str | Sequence[str] = (),
    embed: Embed | None = None,
) -> Comparison:
    """Compare two tables by the checks and tests that monitoring uses, without a loop.

    Parameters
    ----------
    reference, current : a frame of pandas, Polars or Arrow, a relation of DuckDB, a path or
        pattern of files, a profile, or the path of one that was saved. Frames are compared by
        exact counts; files and lazy frames are streamed, however large, and profiled within
        their bounds.
    level : share of the columns named as drifted that may be so by chance.
    min_effect : from 0 to 1; less is a small drift.
    tests : names of drift tests; by default Kolmogorov-Smirnov and chi-square.
    ignore : columns that are left out.
    embed : turns a list of texts into vectors, such as ``el.embed_texts``: then sentences are
        also compared by what they mean.

    Raises :class:`~everloop.errors.InvalidInput` for what is no table, a bad setting, and a column
    to ignore that neither side has.

    >>> import polars as pl
    >>> before = pl.DataFrame({"x": range(1000), "y": ["a", "b"] * 500})
    >>> compare(before, before.with_columns(x=pl.col("x") + 300)).drifted
    ['x']
    """
    for name, value in (("level", level), ("min_effect", min_effect)):
        if not 0 < value < 1:
            raise invalid(name, value, "a number between 0 and 1")
    spec = MonitorSpec(false_alarm_rate=level, min_effect=min_effect)
    if tests:
        spec = msgspec.structs.replace(spec, tests=_names(tests))
    before, now, retyped = both_sides(reference, current, frozenset(_names(ignore)), embed)
    return _judged(before, now, retyped, spec)


def _names(given: str | Sequence[str]) -> tuple[str, ...]:
    """A single name counts as itself, not as its letters."""
    return (given,) if isinstance(given, str) else tuple(given)


def _judged(before: Side, now: Side, retyped: dict[str, str], spec: MonitorSpec) -> Comparison:
    """Faults first, then drift of what is sound and has values enough, then the verdict."""
    changes = {name: _broken(name, "type", said) for name, said in retyped.items()}
    for name in before.profile.features.keys() - now.profile.features.keys():
        changes[name] = _broken(name, "column", f"{name} is not there any more")
    enough = min(before.profile.rows, now.profile.rows) >= FEW
    faults = find_faults(before.profile, now.profile, lambda: None) if enough else {}
    changes |= {name: _fault(name, found) for name, found in faults.items() if name not in changes}
    tested = frozenset(
        name for name, sketch in before.profile.features.items()
        if name not in changes and _enough(sketch, now.profile.features.get(name))
    )  # fmt: skip
    skip = frozenset(before.profile.features) - tested
    compared = compare_features(before.profile, now.profile, spec, skip)
    drifts, _ = judge(compared, _Once(spec), {}, spec.min_effect)
    changes |= {name: _drift(name, found) for name, found in drifts.items()}
    for name in before.profile.features.keys() - changes.keys():
        told = "too few values, or too few of them differ"
        changes[name] = Change(name=name, verdict="not enough evidence", summary=told)
    for name in before.profile.aspects.keys() & now.profile.aspects.keys() - changes.keys():
        if column_of(name)[0] in tested:
            told = "too few values, or too few of them differ"
            changes[name] = Change(name=name, verdict="not enough evidence", summary=told)
    drawn = [_drawn(change, before.profile, now.profile) for change in changes.values()]
    drawn.sort(key=lambda c: (_RANK.index(c.verdict), -c.effect, c.name))
    new = sorted(now.profile.features.keys() - before.profile.features.keys())
    notes = [f"{name} is new: there is nothing to compare it with." for name in new]
    verdict, reason = _overall(drawn, before.profile.rows, now.profile.rows)
    return Comparison(
        verdict=verdict,
        reason=reason,
        reference_rows=before.profile.rows,
        current_rows=now.profile.rows,
        level=spec.false_alarm_rate,
        columns=drawn,
        notes=[*notes, *before.notes, *(note for note in now.notes if note not in before.notes)],
    )


def _enough(before: Sketch, now: Sketch | None) -> bool:
    return now is not None and min(before.n, now.n) >= FEW


def _broken(name: str, check: str, summary: str) -> Change:
    return Change(name=name, verdict="broken", summary=summary, check=check, effect=1.0)


def _fault(name: str, fault: Fault) -> Change:
    return Change(name=name, verdict="broken", summary=fault.summary, check=fault.check, effect=1.0)


def _drift(name: str, found: Drift) -> Change:
    moved: Verdict = "drift" if found.far else "small drift"
    return Change(
        name=name,
        verdict=moved if found.drifted else "no drift",
        summary=found.summary,
        test=found.test,
        effect=found.effect,
        p_value=found.p_value,
        adjusted=found.adjusted,
    )


def _drawn(change: Change, before: Profile, now: Profile) -> Change:
    """With histograms of both sides over the same steps."""
    a, b = before.sketches().get(change.name), now.sketches().get(change.name)
    if a is None or b is None or not a.n or not b.n:
        return change
    if isinstance(a, NumberSketch) and isinstance(b, NumberSketch):
        (low, high), (other_low, other_high) = reach(a), reach(b)
        span = min(low, other_low), max(high, other_high)
        return msgspec.structs.replace(change, before=shares(a, span), after=shares(b, span))
    if not (isinstance(a, CategorySketch) and isinstance(b, CategorySketch)):
        return change
    if a.levels != b.levels:
        return change
    order = sorted(range(len(a.levels)), key=lambda i: -a.counts[i])[:12]
    return msgspec.structs.replace(
        change,
        before=[a.counts[i] / a.n for i in order] + [a.unseen / a.n],
        after=[b.counts[i] / b.n for i in order] + [b.unseen / b.n],
    )


def _overall(changes: list[Change], before: int, now: int) -> tuple[Verdict, str]:
    found = {verdict: [c.name for c in changes if c.verdict == verdict] for verdict in _RANK}
    if min(before, now) < FEW:
        few = f"{before:,} rows before and {now:,} now; {FEW} are needed on either side"
        return "not enough evidence", few
    for verdict, said in (
        ("broken", "broken"),
        ("drift", "drifted"),
        ("small drift", "drifted a little"),
    ):
        if names := found[verdict]:
            return verdict, f"{len(names)} of {len(changes)} columns {said}: {_listed(names)}"  # type: ignore[return-value]
    if not found["no drift"]:
        return "not enough evidence", "no column has values enough on both sides"
    return "no drift", f"{len(found['no drift'])} columns compared, none of them drifted"


def _listed(names: list[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
