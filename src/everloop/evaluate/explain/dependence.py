"""Partial dependence and individual conditional expectation of one feature."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from everloop.data.schema import Feature, Schema
from everloop.errors import did_you_mean, invalid
from everloop.evaluate.answers import Answers
from everloop.evaluate.explain.importance import Ask

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


def drawn(ask: Ask, schema: Schema, answers: Answers) -> tuple[Output, str]:
    """The number of each answer that is drawn, and what it is in words.

    Of classes it is about the second of two; of more about the one that is the most probable on
    average over ``answers``, those to some rows. Where none says probabilities, it is how often
    that class is answered.
    """
    if schema.numeric or not schema.classes:
        return lambda X: np.asarray(ask(X).pred, dtype=np.float64), "the answer"
    if schema.task == "multilabel":
        return lambda X: _shares(ask(X), schema).sum(axis=1), "how many labels are expected"
    code = len(schema.classes) - 1
    if code > 1 and len(answers.pred):
        code = int(_shares(answers, schema).mean(axis=0).argmax())
    if schema.task == "policy":
        what = "how often the action is"
    else:
        what = "how often the answer is" if answers.proba is None else "the probability of"
    return share_of(ask, schema, code), f"{what} {schema.classes[code]}"


def share_of(ask: Ask, schema: Schema, code: int) -> Output:
    """The probability of a class; where the model says none, 1 where it is answered and else 0."""
    return lambda X: _shares(ask(X), schema)[:, code]


def _shares(answers: Answers, schema: Schema) -> NDArray[np.float64]:
    """Probabilities, n by k, or what stands for them where the model answers labels alone."""
    if answers.proba is not None:
        return np.asarray(answers.proba, dtype=np.float64)
    if answers.pred.ndim == 2:
        return np.asarray(answers.pred, dtype=np.float64)
    return np.asarray(answers.pred[:, None] == np.arange(len(schema.classes)), dtype=np.float64)


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
