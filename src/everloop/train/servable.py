"""Whether the models of a user's own candidates could be served, asked before a search of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from everloop.errors import InvalidInput
from everloop.train.candidates._base import Candidate
from everloop.train.fitting import Report
from everloop.train.loading import load
from everloop.train.spec import TrainSpec
from everloop.train.training import Training
from everloop.train.tried import default_params

ROWS = 300  # of a fit that only says whether its model can be exported


def servable(
    training: Training, chosen: dict[str, Candidate], spec: TrainSpec, report: Report
) -> dict[str, Candidate]:
    """The candidates whose models can be served, which is known of all but the user's own.

    Each of these is fitted to a few rows, and what cannot become ONNX is left out here and not
    when hours of search have chosen it. ``report`` is told which failed and why.

    Raises the :class:`~everloop.errors.InvalidInput` of the first where none is left.
    """
    refused: dict[str, InvalidInput] = {}
    for name, candidate in chosen.items():
        why = _refusal(training, name, candidate, spec) if ":" in name else None
        if why is not None:
            report("failed", {"candidate": name, "error": why.message})
            refused[name] = why
    if len(refused) == len(chosen):
        raise next(iter(refused.values()))
    return {name: candidate for name, candidate in chosen.items() if name not in refused}


def _refusal(
    training: Training, name: str, candidate: Candidate, spec: TrainSpec
) -> InvalidInput | None:
    """Why the candidate's model cannot be served; None too where a few rows do not fit it."""
    rows = _few(training)
    try:
        params = default_params(training, name, candidate, spec)
        around = training.around(rows)
        estimator, _ = training.fit(candidate, params, training.prepared(rows), around)
    except Exception:  # few rows may be too few: what is wrong is for the fit on all to say
        return None
    check: Any = load("everloop.train.onnx:check_exportable")
    try:
        check(estimator, training.schema)
    except InvalidInput as error:
        return error
    return None


def _few(training: Training) -> np.ndarray:
    """Numbers of at most :data:`ROWS` rows, and of one of each class, in their order."""
    n = len(training.X)
    some = np.random.default_rng(training.seed).permutation(n)[:ROWS]
    if not training.schema.numeric and training.y.ndim == 1:
        some = np.append(some, np.unique(training.y, return_index=True)[1])
    return np.unique(some)
