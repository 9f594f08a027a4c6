"""Each of several labels by itself."""

from __future__ import annotations

import numpy as np

from everloop.data.schema import Schema
from everloop.evaluate.answers import Answers
from everloop.evaluate.metrics import get_metric
from everloop.evaluate.report._base import LabelScore


def label_scores(schema: Schema, y: np.ndarray, answers: Answers) -> list[LabelScore]:
    """A line for each label, in the order of the schema; none for other tasks."""
    if schema.task != "multilabel" or answers.proba is None:
        return []
    area, out = get_metric("roc_auc"), []
    for k, label in enumerate(schema.classes):
        truth, said = y[:, [k]], answers.pred[:, [k]]
        right, rows, answered = (int(v.sum()) for v in (truth * said, truth, said))
        told = area.function(truth, said, answers.proba[:, [k]])
        out.append(
            LabelScore(
                label=str(label),
                rows=rows,
                answered=answered,
                precision=right / answered if answered else None,
                recall=right / rows if rows else None,
                f1=2 * right / (rows + answered) if rows + answered else None,
                roc_auc=told if np.isfinite(told) else None,
            )
        )
    return out
