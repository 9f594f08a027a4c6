"""Drift within parts of the rows: a feature that changed where another has a certain value.

A change in a fifth of the rows is a fifth as large over all of them, and may stay below what is
tolerated there. So each common level of a category and each quarter of a number is a segment, and
in it every other feature is compared with the same segment of the reference's rows: the location
and spread of numbers as ranks among the reference, and the shares of levels. All of it is judged
together with the features themselves, see :mod:`everloop.monitor.controls._base`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from typing import NamedTuple

import numpy as np
import polars as pl
import scipy

from everloop.data.schema import Schema
from everloop.monitor.deviations import SURE, Deviations, Plain
from everloop.monitor.drift._base import Shift
from everloop.monitor.estimation.heldout import MISSING, Codes, Floats, Scale, codes_of, scales_of
from everloop.monitor.profile import Profile
from everloop.monitor.segments import Part, parts_of

LARGEST = 40  # segments
LEAST, MOST = 0.05, 0.95  # share of the reference's rows
KNOWN, FEW = 200, 50  # rows of a segment in the reference, and in a window
COMMON = 0.05  # share of a level that is looked at
FLAT = 0.1  # standard deviation below which nothing can be told
STAKE = 1.6  # the least bet, see e_detector: what is nearer than half of it wins none


class Place(NamedTuple):
    """One feature in one segment, which the values of the feature ``of`` make."""

    feature: str
    segment: str
    of: str
    quarter: bool  # of a number, where two numbers are concerned

    @property
    def name(self) -> str:
        return f"{self.feature} where {self.segment}"


class _Column(NamedTuple):
    """A function of one feature: its value of each code."""

    feature: int
    name: str
    weight: float
    values: Floats


class _Sums(NamedTuple):
    """Of each segment: known rows by feature, means and standard deviations by column."""

    rows: Floats
    mean: Floats
    sd: Floats


class Segments:
    """The segments of a reference, from some of its ``rows`` (by time) and its ``profile``."""

    def __init__(self, rows: pl.DataFrame, schema: Schema, profile: Profile) -> None:
        self.schema = schema
        plain = [f.name for f in schema.features if not f.shape and f.name in profile.features]
        self.scales = scales_of(rows.select(n for n in plain if n in rows.columns), schema)
        codes = codes_of(rows, self.scales, schema)
        self.columns = [c for i, s in enumerate(self.scales) for c in _columns(i, s, codes[:, i])]
        self.at = np.array([column.feature for column in self.columns], dtype=np.intp)
        self.parts = _largest(parts_of(self.scales, codes), codes)
        self.before = self._sums(codes)
        self.per_draw = np.array([profile.features[s.name].rows_per_draw for s in self.scales])
        # The columns of a feature stand together: where they begin, and which they are.
        _, self.first = np.unique(self.at, return_index=True)
        self.mine = np.split(np.arange(len(self.at)), self.first[1:])
        self.places = [
            [self._place(part, int(self.at[c])) for c in self.first] for part in self.parts
        ]

    def compare(
        self,
        rows: pl.DataFrame,
        tolerance: float,
        skip: Collection[str] = (),
        running: Collection[str] = (),
    ) -> dict[Place, tuple[Shift, Deviations]]:
        """What may have changed in which segment of a window's rows.

        Left out are features in ``skip``, and all that is too near to win a bet, unless its name
        is among the ``running`` ones.
        """
        if not self.parts or not self.columns:
            return {}
        before, now = self.before, self._sums(codes_of(rows, self.scales, self.schema))
        draws = np.maximum(now.rows / self.per_draw, 1.0)
        doubt = np.sqrt(self.per_draw / np.maximum(before.rows, 1.0))
        enough = ((now.rows >= FEW) & (before.rows >= KNOWN))[:, self.at] & (before.sd > FLAT)
        away = np.where(enough, (now.mean - before.mean) / np.maximum(before.sd, FLAT), 0.0)
        margin = np.maximum(tolerance, SURE * doubt)[:, self.at]
        score = np.where(enough, (np.abs(away) - margin) * np.sqrt(draws)[:, self.at], -np.inf)
        best = np.maximum.reduceat(score, self.first, axis=1)
        near = best >= STAKE / 2
        found: dict[Place, tuple[Shift, Deviations]] = {}
        for s, k in zip(*np.nonzero(best > -np.inf), strict=True):
            place = self.places[s][k]
            if place is None or not (near[s, k] or place.name in running):
                continue
            if place.of in skip or place.feature in skip:
                continue
            i = int(self.at[self.first[k]])
            mine = [c for c in self.mine[k] if enough[s, c]]
            directions = tuple(
                Plain(self.columns[c].name, self.columns[c].weight, float(away[s, c])) for c in mine
            )
            about = Deviations(directions, float(draws[s, i]), float(doubt[s, i]))
            moved = now.mean[s, mine] - before.mean[s, mine]
            seen = int(now.rows[s, i])
            shift = _shift(self.scales[i], self.parts[s], moved, float(best[s, k]), seen, about)
            found[place] = (shift, about)
        return found

    def _place(self, part: Part, i: int) -> Place | None:
        """Feature ``i`` in a segment; None in one that its own values make."""
        scale, of = self.scales[i], self.scales[part.feature]
        quarter = not (scale.levels or of.levels)
        return None if i == part.feature else Place(scale.name, part.name, of.name, quarter)

    @property
    def looked(self) -> int:
        """How many features in how many segments."""
        return len(self.parts) * len(self.scales)

    def _sums(self, codes: Codes) -> _Sums:
        inside = np.zeros((len(codes), len(self.parts)))
        for s, part in enumerate(self.parts):
            inside[:, s] = part.rows(codes)
        values = np.zeros((len(codes), len(self.columns)))
        for c, column in enumerate(self.columns):
            values[:, c] = column.values[codes[:, column.feature]]
        rows = inside.T @ (codes != MISSING)
        per = np.maximum(rows[:, self.at], 1.0)
        mean = inside.T @ values / per
        return _Sums(rows, mean, np.sqrt(np.maximum(inside.T @ values**2 / per - mean**2, 0.0)))


def _shift(
    scale: Scale, part: Part, moved: Floats, score: float, rows: int, about: Deviations
) -> Shift:
    # Twice P(now > before) - 1 of a number; half of all changes of a category's shares.
    effect = float(np.abs(moved).sum()) / 2 if scale.levels else abs(float(moved[0])) / math.sqrt(3)
    p_value = min(1.0, 2 * len(moved) * float(scipy.special.ndtr(-max(score, 0.0))))
    summary = f"{about.words()} in the {rows:,} rows where {part.name}"
    return Shift(score, min(effect, 1.0), p_value, about.draws, summary)


def _columns(i: int, scale: Scale, codes: Codes) -> list[_Column]:
    """The functions of a feature that are looked at; 0 where it is missing."""
    known = codes[codes != MISSING]
    if not len(known):
        return []
    shares = np.bincount(known, minlength=256) / len(known)
    if scale.levels:
        common = [k for k in range(1, len(scale.levels) + 1) if COMMON <= shares[k] <= 1 - COMMON]
        each = [(np.arange(256) == k).astype(np.float64) for k in common]
        names = [scale.levels[k - 1] for k in common]
        return [_Column(i, n, 1 / len(each), v) for n, v in zip(names, each, strict=True)]
    if shares.max() == 1.0:
        return []
    # Legendre's polynomials of the rank among the reference, as in ``deviations``.
    u = 2 * (np.cumsum(shares) - shares / 2) - 1
    line, bend = math.sqrt(3) * u, math.sqrt(5) * (3 * u**2 - 1) / 2
    line[MISSING] = bend[MISSING] = 0.0
    return [_Column(i, "location", 2 / 3, line), _Column(i, "spread", 1 / 3, bend)]


def _largest(parts: Iterable[Part], codes: Codes) -> list[Part]:
    """Those of enough rows, levels before quarters of numbers, at most so many."""
    shares = [(float(part.rows(codes).mean()), part) for part in parts]
    kept = [(share, part) for share, part in shares if LEAST <= share <= MOST]
    first = sorted(kept, key=lambda one: (one[1].codes[0] != one[1].codes[1], -one[0]))
    return [part for _, part in first[:LARGEST]]


_newest: list[tuple[pl.DataFrame, Segments]] = []


def segments_of(rows: pl.DataFrame, schema: Schema, profile: Profile) -> Segments:
    """The segments of a reference; those of the same ``rows`` are made once."""
    if not _newest or _newest[0][0] is not rows:
        _newest[:] = [(rows, Segments(rows, schema, profile))]
    return _newest[0][1]
