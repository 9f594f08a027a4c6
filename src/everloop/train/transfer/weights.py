"""Old rows weighted by how much they look like new ones."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np

from everloop.train.cores import cores

LARGEST = 10.0  # times the weight of a new row
ROUNDS = 40
PARTS = 2


def domain_weights(old: np.ndarray, new: np.ndarray, seed: int) -> np.ndarray:
    """``p_new(x) / p_old(x)`` of n old rows, estimated by a classifier of old against new rows.

    Under the same ``p(y|x)``, a fit with these weights is one for the new rows (Shimodaira, 2000);
    the ratio is the classifier's odds times the ratio of the numbers of rows (Bickel, Brückner and
    Scheffer, 2009). Each row is judged by a classifier that had not seen it; large weights are cut,
    which trades bias for variance.

    Parameters
    ----------
    old, new : rows of the same ``X``, NaN and -1 in them.
    """
    X = np.vstack([old, new])
    side = np.concatenate([np.zeros(len(old)), np.ones(len(new))])
    part = np.random.default_rng(seed).permutation(len(X)) % PARTS
    p = np.empty(len(X))
    params: dict[str, Any] = {
        "objective": "binary", "verbosity": -1, "num_leaves": 15, "learning_rate": 0.1,
        "seed": seed, "num_threads": cores(), "deterministic": True, "force_row_wise": True,
    }  # fmt: skip
    for number in range(PARTS):
        learn = part != number
        data = lightgbm.Dataset(X[learn], side[learn])
        p[~learn] = lightgbm.train(params, data, ROUNDS).predict(X[~learn])
    odds = p[: len(old)] / np.clip(1.0 - p[: len(old)], 1e-6, None)
    return np.asarray(np.clip(odds * len(old) / len(new), 0.0, LARGEST))


def effective(weights: np.ndarray) -> float:
    """How many equally weighted rows say as much (Kish, 1965)."""
    return float(weights.sum() ** 2 / max((weights**2).sum(), 1e-12))
