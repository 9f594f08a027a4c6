"""Single answers of a packaged model, explained: what each feature added to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from everloop.deploy.attribution import (
    BACKGROUND,
    EVALUATIONS,
    Floats,
    answer_of,
    read_background,
    shapley,
)
from everloop.deploy.predictor import Predictor
from everloop.errors import InvalidInput, NotFound

EXPLAINED: frozenset[str] = frozenset(
    {"regression", "ranking", "quantile", "binary", "multiclass", "anomaly"}
)


class Explanation(msgspec.Struct, frozen=True):
    """Why one row is answered as it is.

    ``answer`` is the number explained: the prediction, or the probability of the class ``of``
    (of two classes the second one, of more the answered one). ``base`` is its mean over the
    background, and ``base`` plus all ``contributions`` is ``answer``.
    """

    y_pred: Any
    of: Any
    base: float
    answer: float
    contributions: dict[str, float]


def background_of(folder: Path) -> Floats | None:
    """The background rows of a verified package folder; None when it holds none."""
    file = folder / BACKGROUND
    return read_background(file.read_bytes()) if file.is_file() else None


def explain(
    predictor: Predictor,
    X: Floats,
    background: Floats | None,
    *,
    evaluations: int = EVALUATIONS,
    seed: int = 0,
) -> list[Explanation]:
    """An explanation for each row of ``X``; the same rows are explained alike every time.

    Raises :class:`~everloop.errors.NotFound` when the package has no background, and
    :class:`~everloop.errors.InvalidInput` for a task whose answer is not one number.
    """
    schema = predictor.schema
    if background is None:
        raise NotFound(
            "This version holds no background rows, so it cannot be explained.",
            code="not_explained", fix="Versions that everloop run or train makes from now on can.",
        )  # fmt: skip
    if schema.task not in EXPLAINED:
        raise InvalidInput(
            f"task: got {schema.task}, expected one of {', '.join(sorted(EXPLAINED))}.",
            code="wrong_task", path="task",
        )  # fmt: skip
    y, p = predictor.predict(X)
    classes = schema.classes
    if len(classes) == 2 or p is None or not classes:
        chosen = np.full(len(X), len(classes) - 1)
    else:
        chosen = np.asarray(p).argmax(axis=1)
    out: list[Explanation | None] = [None] * len(X)
    spans = list(schema.spans.values())
    for code in np.unique(chosen):

        def output(rows: Floats, code: int = int(code)) -> Floats:
            numbers, shares = predictor.predict(np.ascontiguousarray(rows))
            return answer_of(numbers, shares if classes else None, code)

        rows = np.flatnonzero(chosen == code)
        found = shapley(output, X[rows], background, spans, evaluations=evaluations, seed=seed)
        for i, row in enumerate(rows):
            values = [float(v) for v in found.values[i]]
            out[row] = Explanation(
                y_pred=y[row],
                of=classes[int(code)] if classes else None,
                base=found.base,
                answer=float(found.answers[i]),
                contributions=dict(zip(schema.names, values, strict=True)),
            )
    return [one for one in out if one is not None]
