"""What can be said of a model of anomalies whose rows have no labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from everloop.evaluate.agreement import agreement, scores_of
from everloop.evaluate.gates import Evidence
from everloop.loop.steps._base import StepContext, silent
from everloop.train.fit import Fitted
from everloop.train.predictions import predict
from everloop.train.spec import TrainSpec
from everloop.update.methods.rows import TrainingRows

WITHOUT_LABELS = "flagged"  # the metric that needs none
COMPARED = 5_000  # training rows that both fits score


def stability(
    context: StepContext, data: TrainingRows, spec: TrainSpec, best: Fitted
) -> dict[str, float]:
    """How far chance made the model, where no labels say how good it is.

    ``stability`` is the rank correlation of its scores with those of a second fit to the same rows
    with another seed, on some of these rows.
    """
    if not context.declaration.data.unlabelled:
        return {}
    other = replace(data, seed=data.seed + 1).fit(spec, silent, keep=best.params)[0]
    rows = np.random.default_rng(data.seed).permutation(len(data.X))[:COMPARED]
    ours, theirs = (predict(one.estimator, data.X[rows], data.schema)[1] for one in (best, other))
    assert ours is not None and theirs is not None, "a model of anomalies has probabilities"
    found = agreement(ours[:, 1], theirs[:, 1])
    return {} if found is None else {"stability": round(found.value, 4)}


def unlabelled_notes(context: StepContext, evidence: Evidence) -> list[str]:
    """How many rows have labels, whether a refit agrees, and whether the champion does."""
    known = evidence.labelled
    if known is evidence:
        return []
    rows, labelled = len(evidence.y), len(known.y)
    notes = [
        f"{labelled:,} of {rows:,} held-out rows have labels; metrics that need them are of "
        "these alone, and what is flagged in the others may be right or wrong."
    ]
    stability = context.results.get("train", {}).get("stability")
    if stability is not None:
        notes.append(
            f"Trained again with another seed, the scores have a rank correlation of "
            f"{stability:.3f} with these."
        )
    if evidence.champion is not None:
        found = agreement(scores_of(evidence.challenger), scores_of(evidence.champion))
        if found is not None:
            notes.append(
                f"The scores have a rank correlation of {found.value:.3f} ({found.low:.3f} to "
                f"{found.high:.3f}) with the champion's on the same rows."
            )
    return notes
