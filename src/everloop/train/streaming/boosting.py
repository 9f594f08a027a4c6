"""LightGBM on more rows than memory holds as numbers: a byte for each value is enough for it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import lightgbm
import numpy as np

from everloop.errors import Conflict
from everloop.train.streaming.fit import Refit

PUSHED = 1 << 14  # rows that are handed over at a time
ROW = 32  # bytes of a row beside its bins: gradient, hessian, score and places


def boost(part: Refit) -> tuple[Any, str]:
    """The same trees' worth of boosting over bins of all rows.

    The bounds of the bins are those of the sample. Rows whose bins fit into ``room`` are boosted
    together, as in memory. More are taken in parts, every part blocks from all over the table,
    and each part adds its share of the trees to what those before it have learned; so each tree
    sees one part, and every row is seen.
    """
    model, y = part.model, part.sample.y
    seen = getattr(model, "classes_", None)
    labels = y if seen is None else np.searchsorted(seen, y)
    trees = model.booster_.current_iteration()
    outputs = model.booster_.num_model_per_iteration()
    parts = _parts(part, outputs, trees)
    params = model.booster_.params | {"force_row_wise": False, "force_col_wise": True}
    bounds = lightgbm.Dataset(_dense(part.sample.X), labels, params=params).construct()
    data = _binned(part, 0, parts, bounds, params)
    booster = lightgbm.Booster(params, data)
    _grow(booster, len(range(0, trees, parts)))
    for number in range(1, parts):
        before, data = data, _binned(part, number, parts, bounds, params)
        booster.update(train_set=data)  # grows the first tree of this part
        del before  # LightGBM looks at it once more in the line above
        _grow(booster, len(range(number, trees, parts)) - 1)
    fitted = copy.copy(model)
    fitted._Booster = lightgbm.Booster(model_str=booster.model_to_string())
    return fitted, "together" if parts == 1 else f"in {parts} parts, {trees} trees over all"


def _grow(booster: lightgbm.Booster, trees: int) -> None:
    for _ in range(trees):
        booster.update()


def _parts(part: Refit, outputs: int, trees: int) -> int:
    """How many parts; two of them meet when one follows the other."""
    row = 2 * (part.sample.X.shape[1] + 8) + ROW * outputs
    needed = -(-len(part.rows) * row // max(part.room, 1))
    return int(max(1, min(needed, len(part.rows.blocks), trees)))


def _binned(
    part: Refit, number: int, parts: int, bounds: lightgbm.Dataset, params: dict[str, Any]
) -> lightgbm.Dataset:
    rows = part.rows.count(number, parts)
    labels = np.empty(rows, dtype=np.float32)
    pushed = _Pushed(part.read(number, parts), labels)
    data = lightgbm.Dataset([pushed], labels, reference=bounds, params=params).construct()
    if pushed.left():
        raise _others(rows)
    return data


def _others(rows: int) -> Conflict:
    return Conflict(
        f"data.source: it does not hold the {rows:,} training rows that were counted in it.",
        code="source_changed",
        fix="Run the loop again, which takes what is there now.",
    )


class _Pushed(lightgbm.Sequence):
    """Rows as LightGBM asks for them: once each and in order; their labels are noted on the way."""

    batch_size = PUSHED

    def __init__(self, pairs: Iterator[tuple[Any, np.ndarray]], labels: np.ndarray) -> None:
        self._pairs, self._labels = pairs, labels
        self._left = np.empty((0, 0))
        self._at = 0

    def left(self) -> bool:
        """Whether there are more rows than were asked for; reading comes to its end with it."""
        return next(self._pairs, None) is not None

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, wanted: Any) -> np.ndarray:
        rows = wanted.stop - wanted.start
        found = [self._left[:rows]] if len(self._left) else []
        self._left = self._left[rows:]
        while (missing := rows - sum(map(len, found))) > 0:
            pair = next(self._pairs, None)
            if pair is None:
                raise _others(len(self))
            X, y = pair
            if self._at + len(y) > len(self):
                raise _others(len(self))
            self._labels[self._at : self._at + len(y)] = y
            self._at += len(y)
            X = _dense(X)
            found.append(X[:missing])
            self._left = X[missing:]
        return np.ascontiguousarray(np.concatenate(found), dtype=np.float64)


def _dense(X: Any) -> np.ndarray:
    return np.asarray(X.toarray() if hasattr(X, "toarray") else X, dtype=np.float64)
