"""Single answers of a packaged model, explained: what each feature added to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from everloop.data.schema import Schema
from everloop.deploy.attribution import (
    BACKGROUND,
    EVALUATIONS,
    Explanation,
    Floats,
    answer_of,
    read_background,
    shapley,
)
from everloop.deploy.runtimes._base import Runtime
from everloop.errors import InvalidInput, NotFound

EXPLAINED: frozenset[str] = frozenset(
    {
        "regression",
        "ranking",
        "quantile",
        "binary",
        "multiclass",
        "multilabel",
        "anomaly",
        "policy",
        "bandit",
    }
)


def background_of(folder: Path) -> Floats | None:
    """The background rows of a verified package folder; None when it holds none."""
    file = folder / BACKGROUND
    return read_background(file.read_bytes()) if file.is_file() else None


def check_task(schema: Schema) -> None:
    """Raises :class:`~everloop.errors.InvalidInput` for a task whose answer is not one number."""
    if schema.task not in EXPLAINED:
        raise InvalidInput(
            f"task: got {schema.task}, expected one whose answer is a number or one class: "
            f"{', '.join(sorted(EXPLAINED))}.",
            code="wrong_task", path="task",
        )  # fmt: skip


def explain(
    predictor: Runtime,
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
    check_task(schema)
    y, p = predictor.predict(X)
    classes = schema.classes
    one_of_two = len(classes) == 2 and schema.task not in ("policy", "bandit", "multilabel")
    if one_of_two or p is None or not classes:
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
