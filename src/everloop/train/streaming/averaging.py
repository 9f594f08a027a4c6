"""Logistic regression: the mean of fits to parts is as good as one fit to all."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from everloop.train.streaming.fit import Refit, stacked
from everloop.train.streaming.progress import Progress

ROWS = 200_000  # of a part, enough that its own error is nearly without bias


def average(part: Refit) -> tuple[Any | None, str]:
    """Coefficients averaged over parts of about 200,000 rows, each weighted by its rows.

    With parts this large the mean is off the fit to all rows by far less than either is off the
    truth (Zhang, Duchi and Wainwright, 2013). Each part's errors count as much as all rows' would
    against the penalty, and each fit starts where the sample's ended. Where the rows are sorted by
    the target no part is a fair one, and the sample's fit stays.
    """
    if part.rows.ordered:
        return None, "its rows are sorted by the target, so parts of them are not alike"
    progress = Progress(part)
    coefficients, intercepts, rows = progress.found(None) or [0.0, 0.0, 0]
    for upto, X, y in _parts(part, progress.blocks):
        if len(np.unique(y)) < len(part.model.classes_):
            continue
        one = _started(part.model, len(part.rows) / len(y))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            one.fit(X, part.model.classes_[y])
        coefficients = coefficients + len(y) * one.coef_
        intercepts = intercepts + len(y) * one.intercept_
        rows += len(y)
        progress.keep(upto, [coefficients, intercepts, rows])
    if not rows:
        return None, "no part of its rows has every class"
    fitted = copy.deepcopy(part.model)
    fitted.coef_, fitted.intercept_ = coefficients / rows, intercepts / rows
    return fitted, "the mean over parts"


def _started(model: Any, times: float) -> Any:
    one = clone(model).set_params(warm_start=True, C=model.C * times)
    one.coef_, one.intercept_ = model.coef_.copy(), model.intercept_.copy()
    one.classes_ = model.classes_
    return one


def _parts(part: Refit, first: int) -> Iterator[tuple[int, Any, np.ndarray]]:
    """Blocks from number ``first`` on, put together until there are enough rows, with the number
    of the next block; what is left goes with the last."""
    X: list[Any] = []
    y: list[np.ndarray] = []
    left = part.rows.count(part.rows.every(first=first))
    for number, some, target in part.whole_blocks(first):
        X.append(some)
        y.append(target)
        left -= len(target)
        enough = sum(map(len, y)) >= ROWS
        if (enough and left >= ROWS // 2) or left == 0:
            yield number + 1, stacked(X), np.concatenate(y)
            X, y = [], []
