"""What a team may do when labels come. Each predicts before it learns; see :class:`Strategy`."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from everloop.data.schema import Schema
from everloop.train.candidates.lightgbm import LightGBM
from everloop.train.check import find_candidate
from everloop.train.fitting import Fitting
from everloop.train.pool.links import Binary
from everloop.train.pool.pool import Pool, trees_of_fresh
from everloop.train.preparation import one_hot


class Known:
    """All rows whose labels are known, in one array that grows."""

    def __init__(self, X: np.ndarray, y: np.ndarray, room: int) -> None:
        self._X, self._y = np.empty((room, X.shape[1])), np.empty(room)
        self.rows = 0
        self.add(X, y)

    def add(self, X: np.ndarray, y: np.ndarray) -> None:
        end = self.rows + len(y)
        self._X[self.rows : end], self._y[self.rows : end] = X, y
        self.rows = end

    @property
    def X(self) -> np.ndarray:
        return self._X[: self.rows]

    @property
    def y(self) -> np.ndarray:
        return self._y[: self.rows]


class Strategy:
    """``begin`` with the first windows, then for each window: ``ready`` (what need not be done for
    windows that are not scored), ``answer``, and ``learn`` when its labels come.

    ``fits`` counts full fits after the first, ``fresh`` those on some of the newest rows.
    """

    fresh = 0
    lazy = False  # what it costs is in ``ready``, for scored windows only

    def __init__(self, schema: Schema, seed: int, delay: int) -> None:
        self.schema, self.seed, self.delay, self.fits = schema, seed, delay, 0

    def begin(self, known: Known) -> None:
        self.known = known
        self.model = self.fitted()

    def ready(self) -> None:
        """Before a window that is scored."""

    def answer(self, X: np.ndarray) -> np.ndarray:
        """Probabilities of 1, n."""
        return np.asarray(self.model.predict_proba(X)[:, 1])

    def learn(self, X: np.ndarray, y: np.ndarray) -> None:
        """Labels of one window, which are in ``known`` already."""

    def fitted(self, newest: int = 0) -> Any:
        """LightGBM behind its preparation, with everloop's defaults, on all that is known or on so
        many of the newest rows."""
        X, y, candidate = self.known.X[-newest:], self.known.y[-newest:], LightGBM()
        params = candidate.defaults(len(y)) | {"n_jobs": 1}
        if newest:
            params["n_estimators"] = trees_of_fresh(params["n_estimators"])
        estimator = candidate.build(self.schema, "binary", self.seed, params)
        return estimator.fit(X, y.astype(int))


class Frozen(Strategy):
    """The first fit, for ever."""


class Majority(Strategy):
    """The share of 1 so far, for every row."""

    def fitted(self) -> Any:
        return None

    def answer(self, X: np.ndarray) -> np.ndarray:
        return np.full(len(X), self.known.y.mean())


class Previous(Majority):
    """The last label that is known, with the confidence that labels following another deserve."""

    def answer(self, X: np.ndarray) -> np.ndarray:
        y = self.known.y
        same = np.clip(np.mean(y[1:] == y[:-1]), 1e-3, 1 - 1e-3)
        return np.full(len(X), same if y[-1] else 1 - same)


class Full(Strategy):
    """A full fit on all rows before every window."""

    lazy = True
    _seen = 0

    def begin(self, known: Known) -> None:
        super().begin(known)
        self._seen = known.rows

    def ready(self) -> None:
        if self.known.rows > self._seen:
            self.model, self._seen = self.fitted(), self.known.rows

    def learn(self, X: np.ndarray, y: np.ndarray) -> None:
        self.fits += 1


class Periodic(Strategy):
    """A full fit on all rows, as many as another strategy made, evenly spaced."""

    every = 0  # windows between two fits; 0 for none

    def __init__(self, schema: Schema, seed: int, delay: int) -> None:
        super().__init__(schema, seed, delay)
        self._windows = 0

    def learn(self, X: np.ndarray, y: np.ndarray) -> None:
        self._windows += 1
        if self.every and self._windows % self.every == 0:
            self.model, self.fits = self.fitted(), self.fits + 1


class Alarmed(Strategy):
    """A full fit on all rows when a detector sees more errors; before the next scored window."""

    detector = "ADWIN"
    lazy = False

    def begin(self, known: Known) -> None:
        super().begin(known)
        self._detector, self._stale = self._new(), False

    def _new(self) -> Any:
        from river import drift

        made = {"ADWIN": drift.ADWIN, "DDM": drift.binary.DDM, "HDDM": drift.binary.HDDMW}
        return made[self.detector]()

    def learn(self, X: np.ndarray, y: np.ndarray) -> None:
        alarm = False
        for wrong in (self.answer(X) > 0.5) != y:
            self._detector.update(int(wrong))
            alarm |= self._detector.drift_detected
        if alarm:
            self.fits, self._stale = self.fits + 1, True
            self._detector = self._new()

    def ready(self) -> None:
        if self._stale:
            self.model, self._stale = self.fitted(), False


class Refit(Strategy):
    """LightGBM's own refit of the leaves, decay 0.9, and no full fit."""

    def learn(self, X: np.ndarray, y: np.ndarray) -> None:
        trees = getattr(self, "_trees", self.model[-1].booster_)
        self._trees = trees.refit(self.model[:-1].transform(X), y, decay_rate=0.9)

    def answer(self, X: np.ndarray) -> np.ndarray:
        if not hasattr(self, "_trees"):
            return super().answer(X)
        return np.asarray(self._trees.predict(self.model[:-1].transform(X), num_threads=1))


class Online(Strategy):
    """A linear model by ``partial_fit``: numbers scaled, a column for each level."""

    def fitted(self) -> Any:
        self._scaler = StandardScaler()
        levels = [np.arange(len(f.levels)) for f in self.schema.features if f.levels]
        self._levels = OneHotEncoder(
            categories=levels, handle_unknown="ignore", sparse_output=False
        )
        self._model = SGDClassifier(
            loss="log_loss", learning_rate="constant", eta0=0.01, random_state=self.seed
        )
        for start in range(0, self.known.rows, 1_000):
            part = slice(start, start + 1_000)
            self.learn(self.known.X[part], self.known.y[part])

    def learn(self, X: np.ndarray, y: np.ndarray) -> None:
        numbers, _ = self._divided(X)
        self._scaler.partial_fit(numbers)
        self._model.partial_fit(self._prepared(X), y.astype(int), classes=[0, 1])

    def answer(self, X: np.ndarray) -> np.ndarray:
        return np.asarray(self._model.predict_proba(self._prepared(X))[:, 1])

    def _divided(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        coded = np.array([bool(f.levels) for f in self.schema.features])
        return np.nan_to_num(X[:, ~coded]), np.nan_to_num(X[:, coded], nan=-1)

    def _prepared(self, X: np.ndarray) -> np.ndarray:
        numbers, codes = self._divided(X)
        told = np.clip(self._scaler.transform(numbers), -10, 10)
        if not codes.shape[1]:
            return told
        return np.hstack([told, self._levels.fit_transform(codes)])


class ByEvent(Strategy):
    """One of river's learners as everloop trains it: behind its preparation, one step an event."""

    kind = ""

    def fitted(self, newest: int = 0) -> Any:
        X, y, candidate = self.known.X, self.known.y.astype(int), find_candidate(self.kind)
        params = candidate.defaults(len(y))
        estimator = candidate.build(self.schema, "binary", self.seed, params)
        candidate.fit(estimator, X, y, Fitting())
        return estimator

    def learn(self, X: np.ndarray, y: np.ndarray) -> None:
        self.model[-1].partial_fit(self.model[:-1].transform(X), y.astype(int))


class Everloop(Strategy):
    """The pool that update method "pool" makes versions of."""

    def begin(self, known: Known) -> None:
        super().begin(known)
        self._pool = Pool(Binary())
        self._renew()
        front = one_hot(self.schema).fit(known.X)
        self._pool.draw(front, known.X, known.y)
        # Pools that answered the windows whose labels are still to come.
        self._answered = deque([self._pool.kept()], maxlen=self.delay)

    def _renew(self) -> None:
        self._pool.renew(self.model[:-1], self.model[-1], self.known.rows)

    def answer(self, X: np.ndarray) -> np.ndarray:
        return self._pool.predict_proba(X)[:, 1]

    def learn(self, X: np.ndarray, y: np.ndarray) -> None:
        self._pool.update(X, y, self._answered[0] if self.delay > 1 else None)
        if self._pool.wants_full_fit(self.known.rows):
            self.model, self.fits = self.fitted(), self.fits + 1
            self._renew()
        elif (newest := self._pool.wants_fresh_fit(self.known.rows)) and self._both(newest):
            fresh = self.fitted(newest)
            self._pool.freshen(fresh[:-1], fresh[-1], newest)
            self.fresh += 1
        if self.delay > 1:
            self._answered.append(self._pool.kept())

    def _both(self, newest: int) -> bool:
        return len(np.unique(self.known.y[-newest:])) == 2


def _named(base: type[Strategy], **fields: Any) -> type[Strategy]:
    return type(base.__name__, (base,), fields)


STRATEGIES: dict[str, type[Strategy]] = {
    "majority": Majority,
    "previous label": Previous,
    "frozen": Frozen,
    "full fit every window": Full,
    "periodic": Periodic,
    "ADWIN alarm": _named(Alarmed, detector="ADWIN"),
    "DDM alarm": _named(Alarmed, detector="DDM"),
    "HDDM alarm": _named(Alarmed, detector="HDDM"),
    "LightGBM leaf refit": Refit,
    "online linear": Online,
    "river logistic": _named(ByEvent, kind="online_logistic_regression"),
    "river naive Bayes": _named(ByEvent, kind="online_naive_bayes"),
    "river Hoeffding tree": _named(ByEvent, kind="hoeffding_tree"),
    "river adaptive tree": _named(ByEvent, kind="hoeffding_adaptive_tree"),
    "river adaptive forest": _named(ByEvent, kind="adaptive_random_forest"),
    "everloop pool": Everloop,
}
