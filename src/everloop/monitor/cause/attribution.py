"""How much of a change of performance comes with which features, and how much is concept change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import msgspec
import numpy as np
from numpy.typing import NDArray

from everloop.data.schema import Schema
from everloop.errors import EverloopError
from everloop.monitor.cause.levels import number_of
from everloop.monitor.cause.matching import draw, match
from everloop.monitor.cause.rows import Rows
from everloop.monitor.performance import Score
from everloop.monitor.profile import Floats, Ints

PLAYERS = 3  # features on their own; the others are one player
ROWS = 8_000  # of each side
FEWEST = 200  # labelled rows of each side
COMMON, COMMON_SHARE = 100, 0.1  # rows, and share of them, that the sides must have in common
COPIES = 3  # of a row that is drawn by weight
BLOCKS = 10  # left out one at a time, of each side
WIDE = 2.1  # standard errors of a 95 % interval, of 18 degrees of freedom
CONCEPT = "(concept)"
OTHERS = "(other features)"


class Part(msgspec.Struct, frozen=True):
    """What one player contributes to the loss, and to what share of it, with 95 % intervals."""

    name: str
    loss: float
    share: float
    low: float
    high: float


class Attribution(msgspec.Struct, frozen=True):
    """A loss of score, ``before - after``, divided; or why it is not (``note``).

    ``matched`` is how many equal rows the sides have in common once every feature is matched:
    what the comparison of labels rests on. Where that is almost nothing no part is the concept's:
    features changed so much that nobody can know.
    """

    metric: str
    before: float | None = None
    after: float | None = None
    loss: float | None = None
    error: float | None = None
    parts: list[Part] = []
    rows: int = 0
    matched: float | None = None
    note: str = ""

    def part(self, name: str) -> Part | None:
        return next((part for part in self.parts if part.name == name), None)


def attribute(
    before: Rows, after: Rows, schema: Schema, score: Score, metric: str, leading: Sequence[str]
) -> Attribution:
    """Divide the loss of ``score`` between two sides among features and the concept.

    A game as in "Why did the model fail?" (Zhang, Singh, Ghassemi & Joshi, arXiv 2210.10769):
    the players are the distributions of features and that of labels given features, and each gets
    its Shapley value. A coalition of features is worth what of the loss is gone once both sides
    are weighted to be alike in them (:func:`~everloop.monitor.cause.matching.match`); what is
    left when they are alike in all is the change of the concept. That is measured where both
    sides have rows, so a feature that broke, and has no rows in common, is not taken for one.

    ``leading`` names the features that are players on their own, at most :data:`PLAYERS`; at most
    :data:`ROWS` rows of each side are used, 16 coalitions in all. The intervals leave out one
    block of consecutive rows at a time, with the weights as they are.
    """
    sides = [sample(side) for side in (before, after)]
    few = min(len(side) for side in sides)
    if few < FEWEST:
        note = f"not enough evidence: {few} labelled rows on one side, {FEWEST} needed"
        return Attribution(metric, rows=few, note=note)
    try:
        game = _Game(sides[0], sides[1], schema, score, leading)
        return game.result(metric)
    except (EverloopError, ValueError, ArithmeticError):
        note = f"not enough evidence: {metric} cannot be measured on every part of the rows"
        return Attribution(metric, rows=few, note=note)


@dataclass
class _Coalition:
    """What remains of the loss once it is matched: whole, and without each block of a side."""

    left: float
    without: Floats  # 2 by BLOCKS
    size: float


class _Game:
    def __init__(
        self, before: Rows, after: Rows, schema: Schema, score: Score, leading: Sequence[str]
    ) -> None:
        self.before, self.after, self.score = before, after, score
        names = list(schema.names)
        alone = [name for name in leading if name in names][:PLAYERS]
        rest = [name for name in names if name not in alone]
        self.common = max(COMMON, COMMON_SHARE * min(len(before), len(after)))
        self.players = {name: [names.index(name)] for name in alone}
        if rest:
            self.players[OTHERS] = [names.index(name) for name in rest]
        self.categories = [i for i, f in enumerate(schema.features) if f.kind == "category"]
        self.X = [
            np.column_stack([number_of(side.frame[f.name], f) for f in schema.features])
            for side in (before, after)
        ]

    def result(self, metric: str) -> Attribution:
        names = tuple(self.players)
        nothing = self._left(())
        all_of_it = self._left(names)
        scores = [self._score(side, np.arange(len(side))) for side in (self.before, self.after)]
        error = _error(nothing.without)
        known = Attribution(
            metric, _round(scores[0]), _round(scores[1]), _round(nothing.left), _round(error),
            rows=min(len(self.before), len(self.after)), matched=round(all_of_it.size),
        )  # fmt: skip
        if abs(nothing.left) <= WIDE * error:
            note = f"not enough evidence: a loss of {nothing.left:.4g} is within its error"
            return msgspec.structs.replace(known, note=note)
        values = {(): nothing, names: all_of_it}
        for size in range(1, len(names)):
            for some in combinations(names, size):
                values[some] = self._left(some)
        if all_of_it.size < self.common:
            values = _by_unlikeness(values, nothing, all_of_it)
        parts = [self._part(name, values, nothing) for name in names]
        note = ""
        if all_of_it.size >= self.common:
            parts.append(_share(CONCEPT, all_of_it.left, all_of_it.without, nothing))
        else:
            note = (
                f"the sides have almost no rows in common (worth {all_of_it.size:.0f}), so what "
                "labels do at equal features cannot be compared; the shares are by what sets the "
                "rows apart"
            )
        return msgspec.structs.replace(known, parts=parts, note=note)

    def _part(
        self, name: str, values: dict[tuple[str, ...], _Coalition], nothing: _Coalition
    ) -> Part:
        """The Shapley value: what the player explains, averaged over the orders of joining."""
        others = [other for other in self.players if other != name]
        loss, without = 0.0, np.zeros((2, BLOCKS))
        for size in range(len(others) + 1):
            weight = 1 / ((len(others) + 1) * math.comb(len(others), size))
            for some in combinations(others, size):
                joined = tuple(p for p in self.players if p in some or p == name)
                loss += weight * (values[some].left - values[joined].left)
                without += weight * (values[some].without - values[joined].without)
        return _share(name, loss, without, nothing)

    def _left(self, players: tuple[str, ...]) -> _Coalition:
        """The loss between the sides once they are alike in these players' columns."""
        if not players:
            drawn = [np.arange(len(side)) for side in (self.before, self.after)]
            size = float(min(len(self.before), len(self.after)))
        else:
            columns = sorted(c for player in players for c in self.players[player])
            categories = [i for i, c in enumerate(columns) if c in self.categories]
            found = match(self.X[0][:, columns], self.X[1][:, columns], categories)
            if found.size < self.common:  # nothing in common: the features changed altogether
                return _Coalition(0.0, np.zeros((2, BLOCKS)), found.size)
            drawn, size = [draw(found.before, COPIES), draw(found.after, COPIES)], found.size
        before, fewer_before = self._scores(self.before, drawn[0])
        after, fewer_after = self._scores(self.after, drawn[1])
        without = np.stack([fewer_before - after, before - fewer_after])
        return _Coalition(before - after, without, size)

    def _scores(self, side: Rows, drawn: Ints) -> tuple[float, Floats]:
        """The score of drawn rows, and without each block of consecutive rows."""
        block = drawn * BLOCKS // len(side)
        fewer = [self._score(side, drawn[block != left]) for left in range(BLOCKS)]
        return self._score(side, drawn), np.array(fewer)

    def _score(self, side: Rows, index: Ints) -> float:
        return score_of(side, index, self.score)


def _by_unlikeness(
    values: dict[tuple[str, ...], _Coalition], nothing: _Coalition, all_of_it: _Coalition
) -> dict[tuple[str, ...], _Coalition]:
    """The game where scores of alike rows are unknown, since no rows are: a coalition explains as
    much of the loss as it makes rows unlike. These shares have no interval."""
    found = {}
    for players, one in values.items():
        left = (one.size - all_of_it.size) / (nothing.size - all_of_it.size)
        left = min(1.0, max(0.0, left))
        found[players] = _Coalition(nothing.left * left, nothing.without * left, one.size)
    return found


def score_of(rows: Rows, index: Ints, score: Score) -> float:
    """The score of some scorable rows; raises ``ValueError`` where it is undefined."""
    proba = None if rows.proba is None else rows.proba[index]
    if proba is not None and not np.isfinite(proba).all():
        proba = None
    y, pred = rows.y[index], rows.pred[index]
    value = float(score(_typed(y, rows), _typed(pred, rows), proba))
    if not math.isfinite(value):
        raise ValueError("the score is undefined")
    return value


def _typed(values: Floats, rows: Rows) -> NDArray[np.generic]:
    """Class codes are whole numbers."""
    whole = rows.proba is not None or bool((values == np.floor(values)).all())
    return values.astype(np.int64) if whole else values


def sample(rows: Rows) -> Rows:
    """The labelled rows, at most :data:`ROWS`, evenly."""
    known = np.flatnonzero(rows.scorable)
    if len(known) > ROWS:
        known = known[np.linspace(0, len(known) - 1, ROWS).astype(np.int64)]
    return rows.take(known)


def _share(name: str, loss: float, without: Floats, nothing: _Coalition) -> Part:
    """A part of the loss; its interval is that of the ratio, which varies less than its terms."""
    error = _error(without / np.where(nothing.without == 0, np.nan, nothing.without))
    share = loss / nothing.left
    low, high = share - WIDE * error, share + WIDE * error
    return Part(name, _round(loss), round(share, 3), round(low, 3), round(high, 3))


def _error(without: Floats) -> float:
    """The delete-a-block jackknife of a difference of two samples."""
    away = without - without.mean(axis=1, keepdims=True)
    return float(np.sqrt((BLOCKS - 1) / BLOCKS * (away**2).sum()))


def _round(value: float) -> float:
    return round(value, 5)
