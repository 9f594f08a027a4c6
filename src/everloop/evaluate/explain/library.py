"""Shapley values of a fitted estimator by the library shap (the extra ``explain``).

The library knows the inside of some families, where its values are exact or nearly so: trees by
``TreeExplainer`` (S. Lundberg and others, Nature Machine Intelligence 2, 2020), linear models by
``LinearExplainer``, networks by ``GradientExplainer``; anything else is asked for answers by
``PermutationExplainer``. What comes out is taken only if it adds up to what the model answers.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from everloop.data.schema import Schema

Floats = NDArray[np.float64]
Predict = Callable[[Floats], tuple[np.ndarray, np.ndarray | None]]
"""Rows of ``X`` in; numbers or codes of classes out, and probabilities where there are classes."""

ROWS = 200  # explained, at most
BACKGROUND = 64
TREE_VISITS = 1_000_000  # a tree, a row and a background row are one
EVALUATIONS = 60_000  # rows that a model is asked about which is not looked into
GRADIENTS = 1_000  # of a row, between it and the background
TOLERANCE = 0.02  # of the spread of the answers, that values may fail to add up by
SAMPLED_TOLERANCE = 0.1  # the same of expected gradients, which are sampled
TREES = ("DecisionTree", "RandomForest", "ExtraTrees", "GradientBoosting", "HistGradient", "LGBM")

_log = logging.getLogger(__name__)


class Found(NamedTuple):
    """``values`` are rows by features, of the rows ``X``; ``scale`` is "" for the answer itself,
    or what of it they add up to."""

    explainer: str
    values: Floats
    X: Floats
    scale: str


def by_library(
    estimator: Any,
    predict: Predict,
    X: Floats,
    background: Floats,
    schema: Schema,
    seed: int = 0,
) -> Found:
    """What each feature of ``schema`` adds to the answer at rows of ``X``.

    Parameters
    ----------
    estimator : a fitted pipeline over ``X``; values of its last step's columns are summed back to
        the columns they were made of.
    predict : what the estimator answers.
    background : training rows that a row is held against.

    Of two classes the second one's probability is explained (of linear and boosted models its
    log-odds), of more that of the class that is answered. Raises :class:`ImportError` where the
    library is not installed.
    """
    shap = importlib.import_module("shap")
    background = background[:BACKGROUND]
    for explain in (_trees, _linear, _network):
        try:
            found = explain(shap, estimator, predict, X[:ROWS], background, schema, seed)
        except Exception as error:  # the library raises bare types of its own
            _log.info("%s cannot explain this model: %s", explain.__name__, error)
            continue
        if found is not None:
            return found
    return _permutation(shap, predict, X[:ROWS], background, schema, seed)


def _trees(
    shap: Any, estimator: Any, predict: Predict, X: Floats, background: Floats, schema: Schema,
    seed: int,
) -> Found | None:  # fmt: skip
    """Trees, against the background: exact, of a boosted classifier on the scale it adds up on."""
    front, model = _divided(estimator)
    name = type(model).__name__
    if not name.startswith(TREES):
        return None
    rows = X[: max(20, TREE_VISITS // (len(background) * _count(model)))]
    explainer = shap.TreeExplainer(
        model, _through(front, background), feature_perturbation="interventional"
    )
    values = explainer.shap_values(_through(front, rows), check_additivity=False)
    whole = _by_class(values, explainer.expected_value)
    return _summed(whole, "TreeExplainer", front, predict, rows, background, schema, seed)


def _linear(
    shap: Any, estimator: Any, predict: Predict, X: Floats, background: Floats, schema: Schema,
    seed: int,
) -> Found | None:  # fmt: skip
    """Linear models: a coefficient times the distance from the background's mean."""
    front, model = _divided(estimator)
    if not (hasattr(model, "coef_") and hasattr(model, "intercept_")):
        return None
    masker = shap.maskers.Independent(_through(front, background), max_samples=len(background))
    explainer = shap.LinearExplainer(model, masker)
    values = explainer.shap_values(_through(front, X))
    whole = _by_class(values, explainer.expected_value)
    return _summed(whole, "LinearExplainer", front, predict, X, background, schema, seed)


def _network(
    shap: Any, estimator: Any, predict: Predict, X: Floats, background: Floats, schema: Schema,
    seed: int,
) -> Found | None:  # fmt: skip
    """Networks that are smooth in their input: expected gradients.

    Between a row and the background there is no way over a missing value, so that it becomes the
    median; where the network takes it for something else, the values do not add up.
    """
    front, model = _divided(estimator)
    if not hasattr(model, "module"):
        return None
    torch = importlib.import_module("torch")
    middle = np.nan_to_num(np.nanmedian(_through(front, background), axis=0))
    rows, held = (
        torch.from_numpy(np.where(np.isnan(Z), middle, Z))
        for Z in (_through(front, part) for part in (X, background))
    )
    module = model.module()
    explainer = shap.GradientExplainer(module, held)
    values = explainer.shap_values(rows, nsamples=GRADIENTS, rseed=seed)
    with torch.inference_mode():
        base = module(held).numpy().mean(axis=0)
    whole = _by_class(values, base)
    return _summed(
        whole, "GradientExplainer", front, predict, X, background, schema, seed, SAMPLED_TOLERANCE
    )


def _permutation(
    shap: Any, predict: Predict, X: Floats, background: Floats, schema: Schema, seed: int
) -> Found:
    """Any model, by its answers alone; a feature enters with all its columns.

    The library moves single columns. It is given the number of the row that each feature is taken
    from, so that a text or a date is one of its columns.
    """
    spans = list(schema.spans.values())
    least = 2 * len(spans) + 1
    held = background[: max(4, EVALUATIONS // (20 * least))]
    orders = max(1, min(10, EVALUATIONS // (50 * least * len(held))))
    X = X[: max(1, EVALUATIONS // (orders * least * len(held)))]
    pool = np.concatenate([held, X])

    def answers(places: Floats) -> Floats:
        rows = np.empty((len(places), pool.shape[1]))
        for feature, span in enumerate(spans):
            rows[:, span] = pool[places[:, feature].astype(np.int64), span]
        return _numbers(predict, rows)

    def numbered(first: int, count: int) -> Floats:
        return np.repeat(np.arange(first, first + count, dtype=np.float64)[:, None], len(spans), 1)

    masker = shap.maskers.Independent(numbered(0, len(held)), max_samples=len(held))
    explainer = shap.PermutationExplainer(answers, masker, seed=seed)
    found = explainer(
        numbered(len(held), len(X)), max_evals=orders * least, silent=True, batch_size=50
    )
    values = np.asarray(found.values, dtype=np.float64)
    return Found("PermutationExplainer", _chosen(values, predict, X), X, "")


def _summed(
    whole: tuple[Floats, Floats], explainer: str, front: list[Any], predict: Predict, X: Floats,
    background: Floats, schema: Schema, seed: int, tolerance: float = TOLERANCE,
) -> Found | None:  # fmt: skip
    """Values of prepared columns as values of features, if they add up to the answer."""
    values, base = whole
    scale = _scale(base + values.sum(axis=1), _numbers(predict, X), tolerance)
    owner = _owners(front, X, background, schema, seed)
    if scale is None or owner is None or not np.isfinite(values).all():
        return None
    lost = np.abs(values[:, owner < 0]).sum()
    if lost > 1e-6 * np.abs(values).sum():
        return None
    out = np.zeros((len(X), len(schema.features), values.shape[2]))
    for column in np.flatnonzero(owner >= 0):
        out[:, owner[column]] += values[:, column]
    return Found(explainer, _chosen(out, predict, X), X, scale)


def _owners(
    front: list[Any], X: Floats, background: Floats, schema: Schema, seed: int
) -> NDArray[np.int64] | None:
    """The feature that each prepared column is made of, -1 for one that never moves.

    Found by looking: a feature is taken from another row, and what moves is made of it. None when
    a column is made of several features.
    """
    rng = np.random.default_rng(seed)
    rows = np.concatenate([X, background])
    base = _through(front, rows)
    owner = np.full(base.shape[1], -1)
    for place, span in enumerate(schema.spans.values()):
        for _ in range(3):
            mixed = rows.copy()
            mixed[:, span] = rows[rng.permutation(len(rows))][:, span]
            other = _through(front, mixed)
            same = (other == base) | (np.isnan(other) & np.isnan(base))
            moved = ~same.all(axis=0)
            if (moved & (owner >= 0) & (owner != place)).any():
                return None
            owner[moved] = place
    return owner


def _scale(said: Floats, answers: Floats, tolerance: float) -> str | None:
    """On which scale ``said`` (rows by outputs) is what the model answers; None on no scale."""
    wanted = answers if answers.ndim > 1 else answers[:, None]
    if said.shape[1] == 1 and wanted.shape[1] == 2:
        wanted = wanted[:, 1:]
    if said.shape != wanted.shape:
        return None
    if _near(said, wanted, tolerance):
        return ""
    p = np.clip(wanted, 1e-9, 1 - 1e-9)
    if _near(said, np.log(p / (1 - p)), tolerance):
        return "log-odds"
    raised = np.exp(said - said.max(axis=1, keepdims=True))
    if said.shape[1] > 2 and _near(raised / raised.sum(axis=1, keepdims=True), wanted, tolerance):
        return "score before softmax"
    return None


def _near(said: Floats, wanted: Floats, tolerance: float) -> bool:
    spread = float(np.std(wanted)) or 1.0
    return float(np.abs(said - wanted).mean()) <= tolerance * spread


def _by_class(values: Any, base: Any) -> tuple[Floats, Floats]:
    """Rows by columns by outputs, and a base for each output."""
    found = np.asarray(values, dtype=np.float64)
    if found.ndim == 2:
        found = found[:, :, None]
    return found, np.atleast_1d(np.asarray(base, dtype=np.float64))


def _chosen(values: Floats, predict: Predict, X: Floats) -> Floats:
    """Of rows by features by outputs, each row's output that is explained."""
    if values.ndim == 2:
        return values
    if values.shape[2] <= 2:
        return values[:, :, -1]
    answered = _numbers(predict, X).argmax(axis=1)
    chosen: Floats = values[np.arange(len(X)), :, answered]
    return chosen


def _numbers(predict: Predict, X: Floats) -> Floats:
    pred, proba = predict(X)
    found = pred if proba is None else proba
    return np.asarray(found, dtype=np.float64)


def _steps(estimator: Any) -> Iterator[Any]:
    """The transformers of a pipeline and its model, pipelines within it opened."""
    steps = getattr(estimator, "steps", None)
    if steps is None:
        yield estimator
    else:
        for _, step in steps:
            yield from _steps(step)


def _divided(estimator: Any) -> tuple[list[Any], Any]:
    *front, model = _steps(estimator)
    return front, model


def _through(front: list[Any], X: Floats) -> Floats:
    made: Any = X
    for step in front:
        made = step.transform(made)
    if hasattr(made, "toarray"):
        made = made.toarray()
    return np.ascontiguousarray(made, dtype=np.float64)


def _count(model: Any) -> int:
    """Trees of a model."""
    count = getattr(model, "n_estimators", None) or getattr(model, "max_iter", None) or 1
    return int(count) * max(1, len(getattr(model, "classes_", ())) - 1)
