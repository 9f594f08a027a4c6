"""Partial dependence and individual conditional expectation of one feature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from everloop.data.schema import Feature, Schema
from everloop.errors import did_you_mean, invalid

Output = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""A model as one number a row: the prediction, or the probability of a class."""

POINTS = 12
ROWS = 200
LINES = 20
DRAWN: frozenset[str] = frozenset({"number", "boolean", "category"})


class Dependence(msgspec.Struct, frozen=True):
    """``values[i]`` is what the feature was set to, ``mean[i]`` the mean answer with it;
    ``lines`` are some rows' own answers (ICE), a line a row; ``of`` says what the answer is."""

    feature: str
    kind: str
    values: list[float | str | bool]
    mean: list[float]
    lines: list[list[float]]
    of: str = "the answer"


def dependence(
    output: Output,
    X: NDArray[np.float64],
    schema: Schema,
    name: str,
    *,
    of: str = "the answer",
    points: int = POINTS,
    rows: int = ROWS,
    seed: int = 0,
) -> Dependence:
    """How the answer moves when ``name`` alone is set to each of its usual values.

    Sources: J. Friedman, Annals of Statistics 29 (2001); for single rows A. Goldstein and others,
    JCGS 24 (2015). Where features depend on each other it asks for rows that do not exist.
    Raises :class:`~everloop.errors.InvalidInput` for a feature that is none, or one whose values
    have no single axis (dates, texts, images, sequences).
    """
    feature = next((f for f in schema.features if f.name == name), None)
    if feature is None:
        fix = did_you_mean(name, schema.names)
        raise invalid("feature", name, "a feature of the model", code="unknown_name", fix=fix)
    if feature.kind not in DRAWN:
        raise invalid("feature", name, "a number, a boolean or a category", code="wrong_kind")
    rng = np.random.default_rng(seed)
    if len(X) > rows:
        X = X[rng.choice(len(X), rows, replace=False)]
    place = schema.spans[name].start
    grid = _grid(X[:, place], feature, points)
    answers = np.empty((len(grid), len(X)))
    for i, value in enumerate(grid):
        changed = X.copy()
        changed[:, place] = value
        answers[i] = output(changed)
    return Dependence(
        feature=name,
        kind=feature.kind,
        values=[raw_value(value, feature) for value in grid],
        mean=answers.mean(axis=1).tolist(),
        lines=answers[:, :LINES].T.tolist(),
        of=of,
    )


def drawn_class(schema: Schema, proba: NDArray[Any]) -> int:
    """The class whose probability is drawn: the second of two; of more the one that is the most
    probable on average over rows whose probabilities are ``proba``, n by k."""
    if len(schema.classes) <= 2 or not len(proba):
        return len(schema.classes) - 1
    return int(proba.mean(axis=0).argmax())


def drawn_number(schema: Schema, code: int) -> str:
    """What is drawn, in words, when it is the probability of the class ``code``."""
    if schema.numeric or not schema.classes:
        return "the answer"
    what = "how often the action is" if schema.task == "policy" else "the probability of"
    return f"{what} {schema.classes[code]}"


def raw_value(value: float, feature: Feature) -> float | str | bool:
    """A number of ``X`` as the value that people know; of kinds with one column."""
    if feature.kind == "category":
        return feature.levels[int(value)] if 0 <= value < len(feature.levels) else "(missing)"
    return bool(value) if feature.kind == "boolean" else float(value)


def _grid(column: NDArray[np.float64], feature: Feature, points: int) -> list[float]:
    """Quantiles of a number without its outer twentieths; the levels met most often."""
    known = column[np.isfinite(column)]
    if feature.kind == "boolean":
        return [0.0, 1.0]
    if feature.kind == "category":
        return [float(code) for code in range(min(len(feature.levels), points))] or [-1.0]
    if not len(known):
        return [0.0]
    return [float(v) for v in np.unique(np.quantile(known, np.linspace(0.05, 0.95, points)))]
