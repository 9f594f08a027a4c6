"""The explanation of an alert: since when, from what, where, after which change, as when before."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np
import polars as pl

from everloop.data.schema import Schema
from everloop.errors import NotFound
from everloop.monitor.aspects.naming import column_of
from everloop.monitor.cause.attribution import Attribution, attribute, sample, score_of
from everloop.monitor.cause.carriers import Carrier, Change, carriers
from everloop.monitor.cause.change_point import ChangePoint, find_change
from everloop.monitor.cause.found import Cause
from everloop.monitor.cause.levels import Levels, levels_of, number_levels, text_levels
from everloop.monitor.cause.rows import Rows, read_rows
from everloop.monitor.cause.sentence import sentence
from everloop.monitor.cause.similar import Outcome, similar_alerts
from everloop.monitor.cause.upstream import Upstream, nearest, of_versions
from everloop.monitor.label_drift import LABEL
from everloop.monitor.log import PredictionLog
from everloop.monitor.performance import Score
from everloop.monitor.profile import PREDICTION, Ints
from everloop.monitor.windows import Alert, Window, WindowStore

HISTORY = 8  # sound windows before the alert's
LOOK_BACK = 64  # windows among which they are looked for
COLUMNS = 12  # features whose levels are tried as segments
FEW = 100  # rows on a side below which the sides are whole windows
NEAR = 7 * 86_400_000  # how far from the change upstream is looked, in ms


@dataclass(frozen=True)
class Known:
    """What it takes to explain any alert of an endpoint.

    ``score`` and ``metric`` are None where answers are not judged, ``hidden`` the features that
    the log does not tell. ``upstream`` gives what was changed near a time of the clock,
    ``outcome`` what a cycle came to.
    """

    log: PredictionLog
    windows: WindowStore
    schema: Schema
    hidden: frozenset[str]
    metric: str | None
    score: Score | None
    upstream: Callable[[int], Sequence[Upstream]]
    outcome: Callable[[str], Outcome | None]


def explain_alert(known: Known, alert: Alert) -> Cause:
    """Find an alert's cause in the log and the records; nothing is written.

    It looks at the alert's window and the sound windows before it, at most
    :data:`~everloop.monitor.cause.rows.MOST_ROWS` rows of them all, so that it takes a second or
    a few whatever the traffic. An alert about no window is explained by the records alone.
    """
    begun = time.monotonic()
    similar = similar_alerts(known.windows, alert, known.outcome)
    cause = Cause(alert.id, alert.summary, similar=similar)
    windows = _windows(known, alert)
    rows = _read(known, alert, windows)
    if rows is None:
        upstream = nearest(known.upstream(alert.at), NEAR)
        notes = ["the log has no rows of its window"]
        cause = msgspec.structs.replace(cause, upstream=upstream, notes=notes)
    else:
        cause = _Looked(known, alert, windows, rows).found(cause)
    seconds = round(time.monotonic() - begun, 2)
    return msgspec.structs.replace(cause, sentence=sentence(alert, cause), seconds=seconds)


def _windows(known: Known, alert: Alert) -> list[Window]:
    """The sound windows before the alert's, and it, oldest first; none when it is of no window."""
    try:
        window = known.windows.get(alert.endpoint, alert.window)
    except NotFound:
        return []
    page = known.windows.page(alert.endpoint, before=window.start, limit=LOOK_BACK)
    sound = [one for one in page if not one.quarantined][:HISTORY]
    return [*sound[::-1], window]


def _read(known: Known, alert: Alert, windows: list[Window]) -> Rows | None:
    if not windows:
        return None
    rows = read_rows(known.log, alert.endpoint, known.schema, windows, known.hidden)
    return rows if len(rows) and rows.times[-1] >= alert.window else None


class _Looked:
    """One alert with its rows."""

    def __init__(self, known: Known, alert: Alert, windows: list[Window], rows: Rows) -> None:
        self.known, self.alert, self.rows = known, alert, rows
        self.window = windows[-1]
        self.schema = known.schema
        self.features = {
            feature.name: feature
            for feature in known.schema.features
            if feature.name not in known.hidden
        }

    def found(self, cause: Cause) -> Cause:
        before, after = self.sides
        attribution = self._attribution(before, after)
        segments, sources = self._carriers(before, after)
        at = self.since.at if self.since else self.window.start
        upstream = [*self.known.upstream(self._clock(at)), *of_versions(self.rows, at)]
        return msgspec.structs.replace(
            cause,
            since=self.since,
            attribution=attribution,
            segments=segments,
            sources=sources,
            upstream=nearest(upstream, NEAR),
            rows=(len(before), len(after)),
            labelled=self.window.labelled,
            notes=self._notes(before, attribution),
        )

    def _clock(self, at: int) -> int:
        """When, on the clock, the first row from a moment of event time on was asked for."""
        asked = self.known.log.asked(self.alert.endpoint, at, self.window.end)["at"].min()
        return int(asked) if isinstance(asked, int) else self.alert.at

    # -- since when ------------------------------------------------------------------------------

    @cached_property
    def since(self) -> ChangePoint | None:
        """The change of what the alert is about: of how wrong answers are, or of a column."""
        if self._judged:
            losses = self.rows.losses()
            labelled = np.isfinite(losses)
            levels = number_levels(losses[labelled], "loss")
            return find_change(levels.codes, len(levels.names), self.rows.times[labelled])
        if self._levels is None:
            return None
        return find_change(self._levels.codes, len(self._levels.names), self.rows.times)

    @cached_property
    def sides(self) -> tuple[Rows, Rows]:
        """The rows before the change and after it; where there is none to see, those of the
        windows before and those of the alert's."""
        times = self.rows.times
        if self.since is not None:
            after = times >= self.since.at
            if min(after.sum(), (~after).sum()) >= FEW:
                return self.rows.take(~after), self.rows.take(after)
        after = times >= self.window.start
        return self.rows.take(~after), self.rows.take(after)

    @property
    def _judged(self) -> bool:
        return self.alert.kind == "performance"

    @cached_property
    def _levels(self) -> Levels | None:
        """What the alert's column is like, row by row; of an estimate, which is made from answers,
        these."""
        name = self.alert.feature
        if name == PREDICTION or self.alert.kind == "estimate":
            return number_levels(self.rows.answers, PREDICTION)
        if name == LABEL and self.rows.y.ndim == 1:
            return number_levels(self.rows.y, LABEL)
        feature = (
            self.features.get(column_of(name or "")[0])
            if self.alert.kind in ("drift", "quality")
            else None
        )
        return None if feature is None else levels_of(self.rows.frame[feature.name], feature)

    # -- from what -------------------------------------------------------------------------------

    def _attribution(self, before: Rows, after: Rows) -> Attribution | None:
        if self.known.score is None or self.known.metric is None:
            return None
        told = self.schema.features if not self.known.hidden else tuple(self.features.values())
        schema = msgspec.structs.replace(self.schema, features=told)
        return attribute(before, after, schema, self.known.score, self.known.metric, self._leading)

    @cached_property
    def _leading(self) -> list[str]:
        """The features whose change was noticed, the alert's first, then by effect."""
        checks = self.window.checks
        drift = checks.get("drift", {})
        noticed = [column_of(self.alert.feature or "")[0], *checks.get("faults", {})]
        noticed += sorted(drift, key=lambda n: (not drift[n]["drifted"], -drift[n]["effect"]))
        return [name for name in dict.fromkeys(noticed) if name in self.features]

    # -- where -----------------------------------------------------------------------------------

    def _carriers(self, before: Rows, after: Rows) -> tuple[list[Carrier], list[Carrier]]:
        """Levels of features, and sources, that carry more of the change than their share."""
        if self._judged:
            before, after = sample(before), sample(after)
            change = self._loss(before, after)
        else:
            change = self._distance(len(before))
        if change is None or not len(before) or not len(after):
            return [], []
        both = pl.concat([before.frame, after.frame])
        names = [n for n in [*self._leading, *self.features] if n != self.alert.feature]
        features = {
            name: _split(levels_of(both[name], self.features[name]), len(before))
            for name in list(dict.fromkeys(names))[:COLUMNS]
        }
        sent = pl.concat([before.sources, after.sources])
        sources = {n: _split(text_levels(sent[n], n), len(before)) for n in sent.columns}
        sizes = len(before), len(after)
        return carriers(change, *sizes, features), carriers(change, *sizes, sources)

    def _loss(self, before: Rows, after: Rows) -> Change | None:
        score = self.known.score
        if score is None:
            return None
        return lambda old, new: score_of(before, old, score) - score_of(after, new, score)

    def _distance(self, before: int) -> Change | None:
        """Half the sum of how far the shares of the column's levels moved, from 0 to 1, beyond
        what chance moves them on average."""
        if self._levels is None:
            return None
        size = len(self._levels.names)
        first, second = self._levels.codes[:before], self._levels.codes[-len(self.sides[1]) :]

        def change(old: Ints, new: Ints) -> float:
            was = np.bincount(first[old], minlength=size) / len(old)
            now = np.bincount(second[new], minlength=size) / len(new)
            share = (was * len(old) + now * len(new)) / (len(old) + len(new))
            chance = 2 / np.pi * share * (1 - share) * (1 / len(old) + 1 / len(new))
            return float((np.abs(now - was) - np.sqrt(chance)).sum() / 2)

        return change

    def _notes(self, before: Rows, attribution: Attribution | None) -> list[str]:
        notes = []
        if not len(before):
            notes.append("no sound window lies before it, so there is nothing to compare with")
        elif self.since is None and (self._judged or self._levels is not None):
            notes.append("no one moment stands out: it came slowly, or was so from the beginning")
        if attribution is not None and attribution.note:
            notes.append(attribution.note)
        return notes


def _split(levels: Levels, before: int) -> tuple[Levels, Levels]:
    return (
        Levels(levels.codes[:before], levels.names),
        Levels(levels.codes[before:], levels.names),
    )
