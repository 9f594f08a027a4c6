"""What is odd about a test, said beside its verdicts."""

from __future__ import annotations

import numpy as np

from everloop.data.rewards import REWARD
from everloop.evaluate.gates._base import Evidence
from everloop.evaluate.metrics._off_policy import overlap

NAMED = 5  # classes; a column of thousands of them is no sentence


def peculiarities(evidence: Evidence) -> list[str]:
    """Classes that are missing from the rows, and a model that always answers the same."""
    schema, answers, n = evidence.schema, evidence.challenger, len(evidence.y)
    notes = []
    if schema.task in ("binary", "multiclass"):
        counts = np.bincount(evidence.y[evidence.y >= 0], minlength=len(schema.classes))
        missing = [repr(c) for c, k in zip(schema.classes, counts, strict=False) if not k]
        if missing:
            more = f" and of {len(missing) - NAMED:,} others" if len(missing) > NAMED else ""
            named = ", ".join(missing[:NAMED])
            notes.append(f"No row of class {named}{more} is held out; nothing is known about it.")
    if schema.task == "bandit" and answers.proba is not None and n:
        found = overlap(evidence.y, answers.proba)
        earned = f"What was done there earned {evidence.y[:, REWARD].mean():.4g} a row."
        return [
            f"{found.sentence()} {earned}",
            *([f"Off policy: {found.too_small}."] if found.too_small else []),
        ]
    if schema.task == "policy" or n < 2 or answers.pred.ndim != 1:
        return notes
    shown = answers.pred if answers.proba is None or answers.proba.ndim != 2 else answers.proba
    if np.all(shown == shown[:1]):
        notes.append(f"The model answers the same to all {n:,} rows.")
    return notes
