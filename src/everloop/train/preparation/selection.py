"""Features that are left out, by which method, and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.feature_selection import mutual_info_classif, mutual_info_regression
from sklearn.linear_model import LassoLarsIC, LogisticRegression

from everloop.data.multilabel import strata
from everloop.data.schema import Feature, Schema
from everloop.train.preparation._step import NUMERIC_KINDS, Step, known_medians, spans
from everloop.train.preparation._wires import Wires

ROWS = 5_000  # of the training rows that a method reads
RARE_VALUE = 0.001  # share of the rows that must differ from the most common value
ALIKE = 0.95  # a correlation above it says the same twice
REPEATS = 5  # permutations of a feature, or of the target

Reasons = dict[str, str]


class _Rows:
    """Filled rows of those features that a method may judge, one block of columns each."""

    def __init__(
        self,
        X: np.ndarray,
        y: np.ndarray,
        features: list[tuple[Feature, list[int]]],
        schema: Schema,
    ) -> None:
        self.names = [feature.name for feature, _ in features]
        self.kinds = [feature.kind for feature, _ in features]
        blocks = [X[:, columns] for _, columns in features]
        self.blocks = [np.where(np.isnan(b), known_medians(b), b) for b in blocks]
        self.y, self.numeric = y, schema.numeric

    def matrix(self) -> np.ndarray:
        return np.column_stack(self.blocks)

    def by_feature(self, columns: np.ndarray) -> np.ndarray:
        """Values of the matrix's columns, summed to the features they belong to."""
        widths = np.cumsum([0, *(b.shape[1] for b in self.blocks[:-1])])
        return np.add.reduceat(columns, widths)


class Selection(Step):
    """Leave features out by ``methods``, one after another; at least one stays.

    - ``variance``: nearly every row has the same value.
    - ``correlation``: Pearson's above 0.95 with a feature that stays.
    - ``mutual_information``: no more of it with the target (Kraskov et al., 2004) than a shuffled
      target has with any feature.
    - ``l1``: weight 0 in a linear model with an L1 penalty (the lasso chosen by BIC, or logistic).
    - ``recursive``: the least important tenth of a forest's features, again and again (Guyon et
      al., 2002), as long as accuracy out of bag falls by less than its standard error.
    - ``permutation``: shuffling it costs nothing on held-out rows (Breiman, 2001).

    Attributes
    ----------
    dropped_ : for each feature left out: its name, the method and the reason.
    """

    def __init__(self, methods: tuple[str, ...], max_features: int | None = None) -> None:
        self.methods, self.max_features = methods, max_features

    def learn(self, X: np.ndarray, y: np.ndarray, schema: Schema, seed: int) -> np.ndarray:
        self.dropped_: list[dict[str, str]] = []
        if y.ndim == 2:  # features are judged by how they tell combinations of labels apart
            y = strata(y)[0]
        rows = np.random.default_rng(seed).permutation(len(X))[:ROWS]
        left = spans(schema)
        for method in self.methods:
            judged = [f for f in left if f[0].kind in NUMERIC_KINDS | {"category"}]
            if len(judged) < 2:
                break
            table = _Rows(X[rows], y[rows], judged, schema)
            reasons = _METHODS[method](table, seed)
            if len(reasons) == len(left):
                reasons.pop(next(iter(reasons)))
            left = self._without(left, method, reasons)
        left = self._at_most(left, X[rows], y[rows], schema, seed)
        self.kept_ = [c for _, columns in left for c in columns]
        self._become(schema, [f for f, _ in left])
        return self.transform(X)

    def _without(
        self, left: list[tuple[Feature, list[int]]], method: str, reasons: Reasons
    ) -> list[tuple[Feature, list[int]]]:
        self.dropped_ += [
            {"feature": name, "method": method, "reason": why} for name, why in reasons.items()
        ]
        return [(f, columns) for f, columns in left if f.name not in reasons]

    def _at_most(
        self,
        left: list[tuple[Feature, list[int]]],
        X: np.ndarray,
        y: np.ndarray,
        schema: Schema,
        seed: int,
    ) -> list[tuple[Feature, list[int]]]:
        judged = [f for f in left if f[0].kind in NUMERIC_KINDS | {"category"}]
        beyond = len(left) - (self.max_features or len(left))
        if beyond <= 0 or len(judged) < 2:
            return left
        table = _Rows(X, y, judged, schema)
        importance = table.by_feature(_forest(table, seed).feature_importances_)
        order = np.argsort(importance)[: min(beyond, len(judged) - 1)]
        why = f"beyond the {self.max_features} most important"
        return self._without(left, "max_features", {table.names[i]: why for i in order})

    def transform(self, X: np.ndarray) -> np.ndarray:
        return X[:, self.kept_]

    def graph(self, X: str, wires: Wires) -> str:
        return wires.columns(X, self.kept_)

    def facts(self) -> dict[str, Any]:
        return {"dropped_features": self.dropped_}


def _variance(table: _Rows, seed: int) -> Reasons:
    reasons = {}
    for name, block in zip(table.names, table.blocks, strict=True):
        common = min(np.unique(c, return_counts=True)[1].max() / len(c) for c in block.T)
        if common > 1 - RARE_VALUE:
            reasons[name] = f"{common:.2%} of the rows have the same value"
    return reasons


def _correlation(table: _Rows, seed: int) -> Reasons:
    reasons: Reasons = {}
    kept: list[int] = []
    for i, (kind, block) in enumerate(zip(table.kinds, table.blocks, strict=True)):
        if kind not in ("number", "boolean") or block.std() == 0:
            continue
        for j in kept:
            r = float(np.corrcoef(block[:, 0], table.blocks[j][:, 0])[0, 1])
            if abs(r) > ALIKE:
                reasons[table.names[i]] = f'correlates {r:.3f} with "{table.names[j]}"'
                break
        else:
            kept.append(i)
    return reasons


def _mutual_information(table: _Rows, seed: int) -> Reasons:
    measure = mutual_info_regression if table.numeric else mutual_info_classif
    discrete = np.concatenate(
        [
            np.full(b.shape[1], k in ("category", "boolean"))
            for k, b in zip(table.kinds, table.blocks, strict=True)
        ]
    )
    known = {"discrete_features": discrete, "random_state": seed}
    values = table.by_feature(measure(table.matrix(), table.y, **known))
    rng = np.random.default_rng(seed)
    chance = 0.0
    for _ in range(REPEATS):
        shuffled = measure(table.matrix(), rng.permutation(table.y), **known)
        chance = max(chance, float(table.by_feature(shuffled).max()))
    return {
        name: f"mutual information {value:.4f}; chance gives up to {chance:.4f}"
        for name, value in zip(table.names, values, strict=True)
        if value <= chance
    }


def _l1(table: _Rows, seed: int) -> Reasons:
    columns, owner = [], []
    for i, (kind, block) in enumerate(zip(table.kinds, table.blocks, strict=True)):
        wide = (block == np.unique(block)).astype(float) if kind == "category" else block
        columns.append(wide)
        owner += [i] * wide.shape[1]
    Z = np.column_stack(columns)
    Z = (Z - Z.mean(axis=0)) / np.where(Z.std(axis=0) > 0, Z.std(axis=0), 1.0)
    if table.numeric:
        weights = np.abs(LassoLarsIC(criterion="bic").fit(Z, table.y).coef_)
    else:
        # The penalty at which a feature of pure noise would hardly enter.
        strength = 1.0 / np.sqrt(len(Z) * np.log(max(Z.shape[1], 2)))
        model = LogisticRegression(
            l1_ratio=1.0, solver="saga", C=strength, tol=1e-3, max_iter=1000, random_state=seed
        )
        weights = np.abs(model.fit(Z, table.y).coef_).max(axis=0)
    largest = np.zeros(len(table.names))
    np.maximum.at(largest, owner, weights)
    return {n: "its weight is 0" for n, w in zip(table.names, largest, strict=True) if w < 1e-9}


def _recursive(table: _Rows, seed: int) -> Reasons:
    names, order = list(table.names), []
    forest = _forest(table, seed)
    best = forest.oob_score_
    # The standard error of R², or of a share of right answers.
    error = 4 * best * (1 - best) ** 2 if table.numeric else best * (1 - best)
    spread = np.sqrt(max(error, 1e-12) / len(table.y))
    while len(names) > 1:
        importance = table.by_feature(forest.feature_importances_)
        least = np.argsort(importance)[: max(1, len(names) // 10)]
        smaller = _some(table, [i for i in range(len(names)) if i not in set(least.tolist())])
        if not smaller.names:
            break
        forest = _forest(smaller, seed)
        if forest.oob_score_ < best - spread:
            break
        order += [(names[i], forest.oob_score_) for i in least]
        best, table, names = max(best, forest.oob_score_), smaller, list(smaller.names)
    return {name: f"without it a forest scores {score:.4f} out of bag" for name, score in order}


def _permutation(table: _Rows, seed: int) -> Reasons:
    rng = np.random.default_rng(seed)
    held = np.arange(len(table.y)) % 3 == 0
    forest = _forest(table, seed, ~held)
    y, blocks = table.y[held], [b[held] for b in table.blocks]
    whole = forest.score(np.column_stack(blocks), y)
    reasons = {}
    for i, name in enumerate(table.names):
        losses = []
        for _ in range(REPEATS):
            moved = [b[rng.permutation(len(b))] if j == i else b for j, b in enumerate(blocks)]
            losses.append(whole - forest.score(np.column_stack(moved), y))
        error = float(np.std(losses, ddof=1) / np.sqrt(REPEATS))
        if np.mean(losses) <= error:
            reasons[name] = f"shuffling it costs {np.mean(losses):.4f} ± {error:.4f}"
    return reasons


def _some(table: _Rows, features: list[int]) -> _Rows:
    part = object.__new__(_Rows)
    part.names = [table.names[i] for i in features]
    part.kinds = [table.kinds[i] for i in features]
    part.blocks = [table.blocks[i] for i in features]
    part.y, part.numeric = table.y, table.numeric
    return part


def _forest(table: _Rows, seed: int, rows: np.ndarray | slice = slice(None)) -> Any:
    kind = ExtraTreesRegressor if table.numeric else ExtraTreesClassifier
    forest = kind(
        60, min_samples_leaf=3, bootstrap=True, oob_score=True, random_state=seed, max_features=1.0
    )
    return forest.fit(table.matrix()[rows], table.y[rows])


_METHODS: dict[str, Callable[[_Rows, int], Reasons]] = {
    "variance": _variance,
    "correlation": _correlation,
    "mutual_information": _mutual_information,
    "l1": _l1,
    "recursive": _recursive,
    "permutation": _permutation,
}
