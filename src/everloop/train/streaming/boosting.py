"""LightGBM on more rows than memory holds as numbers: a byte for each value is enough for it.

It may take hours, so the trees grown so far are written down now and then. After a crash they
answer the rows on their way to the bins, and boosting goes on from those answers.
"""

from __future__ import annotations

import copy
import hashlib
import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
from lightgbm.basic import _InnerPredictor

from everloop.replacing import replace_file
from everloop.train.streaming import progress
from everloop.train.streaming.fit import Refit
from everloop.train.streaming.rows import other_rows

PUSHED = 1 << 14  # rows that are handed over at a time
ROW = 32  # bytes of a row beside its bins: gradient, hessian, score and places
ANSWER = 24  # bytes of what saved trees say of a row, copies included


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
    saved = _Saved(part)
    parts = _parts(part, outputs, trees, resumed=saved.trees is not None)
    params = model.booster_.params | {"force_row_wise": False, "force_col_wise": True}
    bounds = lightgbm.Dataset(_dense(part.sample.X), labels, params=params).construct()
    booster = saved.trees
    for number, upto in enumerate(_shares(trees, parts)):
        if booster is None or booster.current_iteration() < upto:
            data = _binned(part, number, parts, bounds, params, saved)
            booster = _grown(booster, saved, data, params, upto)
    assert booster is not None, "there is a part, and it has trees"
    fitted = copy.copy(model)
    fitted._Booster = lightgbm.Booster(model_str=booster.model_to_string())
    return fitted, "together" if parts == 1 else f"in {parts} parts, {trees} trees over all"


def _shares(trees: int, parts: int) -> list[int]:
    """How many trees there are when each part has added its share."""
    return list(itertools.accumulate(len(range(number, trees, parts)) for number in range(parts)))


def _grown(
    booster: lightgbm.Booster | None,
    saved: _Saved,
    data: lightgbm.Dataset,
    params: dict[str, Any],
    upto: int,
) -> lightgbm.Booster:
    """Trees grown on ``data`` behind those that there are, until there are ``upto``."""
    if booster is None or booster is saved.trees:
        booster = lightgbm.Booster(params, data)  # those that were saved are in it
    else:
        before = booster.train_set  # which LightGBM looks at once more
        booster.update(train_set=data)  # grows the first tree of this part
        del before
    while booster.current_iteration() < upto:
        booster.update()
        saved.keep(booster)
    return booster


class _Saved:
    """The trees of a fit that was interrupted, and where those of this one are written to.

    They are this fit's when the model on the sample and the number of rows are the same.
    """

    def __init__(self, part: Refit) -> None:
        told = f"{len(part.rows)} rows, from {part.model.booster_.model_to_string()}"
        digest = hashlib.sha256(told.encode()).hexdigest()
        folder = part.checkpoints
        self._path: Path | None = None if folder is None else folder / f"boosting-{digest[:16]}.txt"
        self._at = time.monotonic()
        self._before: _InnerPredictor | None = None
        self.trees: lightgbm.Booster | None = None
        if self._path is not None and self._path.is_file():
            self.trees = lightgbm.Booster(model_file=self._path)

    def answered(self, data: lightgbm.Dataset, answers: list[np.ndarray]) -> None:
        """Let boosting of ``data`` go on from what the saved trees say of its rows."""
        if self.trees is None:
            return
        data.set_init_score(np.concatenate(answers))
        answers.clear()
        # What `lightgbm.train(init_model=…)` does, which cannot read rows that are pushed.
        self._before = self._before or _InnerPredictor.from_booster(self.trees, {})
        data._predictor = self._before

    def keep(self, booster: lightgbm.Booster) -> None:
        """Write the trees down, if it is time to."""
        if self._path is None or time.monotonic() - self._at < progress.SAVE_EVERY:
            return
        replace_file(self._path, booster.model_to_string().encode())
        self._at = time.monotonic()


def _parts(part: Refit, outputs: int, trees: int, resumed: bool) -> int:
    """How many parts; two of them meet when one follows the other."""
    beside = ROW + (ANSWER if resumed else 0)
    row = 2 * (part.sample.X.shape[1] + 8) + beside * outputs
    needed = -(-len(part.rows) * row // max(part.room, 1))
    return int(max(1, min(needed, len(part.rows.blocks), trees)))


def _binned(
    part: Refit,
    number: int,
    parts: int,
    bounds: lightgbm.Dataset,
    params: dict[str, Any],
    saved: _Saved,
) -> lightgbm.Dataset:
    wanted = part.rows.every(parts, number)
    rows = part.rows.count(wanted)
    labels = np.empty(rows, dtype=np.float32)
    pushed = _Pushed(part.read(wanted), labels, saved.trees)
    data = lightgbm.Dataset([pushed], labels, reference=bounds, params=params).construct()
    if pushed.left():
        raise other_rows(rows)
    saved.answered(data, pushed.answers)
    return data


class _Pushed(lightgbm.Sequence):
    """Rows as LightGBM asks for them: once each and in order; their labels are noted on the way."""

    batch_size = PUSHED

    def __init__(
        self,
        pairs: Iterator[tuple[Any, np.ndarray]],
        labels: np.ndarray,
        trees: lightgbm.Booster | None,
    ) -> None:
        self._pairs, self._labels, self._trees = pairs, labels, trees
        self.answers: list[np.ndarray] = []
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
                raise other_rows(len(self))
            X, y = pair
            if self._at + len(y) > len(self):
                raise other_rows(len(self))
            self._labels[self._at : self._at + len(y)] = y
            self._at += len(y)
            X = _dense(X)
            if self._trees is not None:
                self.answers.append(np.asarray(self._trees.predict(X, raw_score=True)))
            found.append(X[:missing])
            self._left = X[missing:]
        return np.ascontiguousarray(np.concatenate(found), dtype=np.float64)


def _dense(X: Any) -> np.ndarray:
    return np.asarray(X.toarray() if hasattr(X, "toarray") else X, dtype=np.float64)
