"""A strategy's run over a stream, and what it was worth beside another's on the same windows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from streaming.strategies import Known, Strategy
from streaming.streams import Stream

BLOCK = 5  # neighbouring windows that are drawn together
DRAWS = 2_000


@dataclass(frozen=True)
class Options:
    """``delay``: windows until labels come; ``labels``: share of them that does; ``thin``: every
    how manyth window is scored."""

    delay: int = 1
    labels: float = 1.0
    thin: int = 1
    seed: int = 0


def run(stream: Stream, strategy: Strategy, options: Options) -> dict[str, Any]:
    """Windows' rows, right answers and losses; fits, CPU seconds of learning, and the AUC."""
    rng = np.random.default_rng(options.seed)
    spans, first = stream.spans, stream.first
    labelled = [np.flatnonzero(rng.random(b - a) < options.labels) + a for a, b in spans]
    start = spans[first][0]
    # What is behind when the stream begins is labelled but for what the delay and the share hold.
    known = Known(stream.X[:start], stream.y[:start], len(stream.y))
    spent, now = {"learn": 0.0, "ready": 0.0}, time.process_time
    at = now()
    strategy.begin(known)
    spent["learn"] += now() - at
    told: list[list[float]] = []
    answers, truths = [], []
    for window in range(first, len(spans)):
        come = window - options.delay
        if come >= first and len(rows := labelled[come]):
            known.add(stream.X[rows], stream.y[rows])
            at = now()
            strategy.learn(stream.X[rows], stream.y[rows])
            spent["learn"] += now() - at
        if (window - first) % options.thin:
            continue
        at = now()
        strategy.ready()
        spent["ready"] += now() - at
        a, b = spans[window]
        p, y = np.clip(strategy.answer(stream.X[a:b]), 1e-6, 1 - 1e-6), stream.y[a:b]
        loss = -np.where(y > 0, np.log(p), np.log1p(-p))
        told.append([b - a, float(((p > 0.5) == y).sum()), float(loss.sum())])
        answers.append(p)
        truths.append(y)
    ready = spent["ready"] * (options.thin if strategy.lazy else 1)
    return {
        "windows": told,
        "fits": strategy.fits,
        "fresh": strategy.fresh,
        "cpu": spent["learn"] + ready,
        "auc": float(roc_auc_score(np.concatenate(truths), np.concatenate(answers))),
    }


def summary(result: dict[str, Any]) -> tuple[float, float]:
    """Accuracy and log loss over all rows."""
    rows, right, loss = np.array(result["windows"]).sum(axis=0)
    return right / rows, loss / rows


def difference(
    result: dict[str, Any], other: dict[str, Any], thin: int
) -> list[tuple[float, float]]:
    """95 % intervals of what is gained in accuracy and in log loss against ``other``.

    From a bootstrap over blocks of windows, since neighbours are alike.
    """
    ours, theirs = np.array(result["windows"]), np.array(other["windows"])
    columns = np.column_stack([ours[:, 0], ours[:, 1:] - theirs[:, 1:]])
    cuts = np.arange(0, len(columns), max(1, BLOCK // thin))
    blocks = np.add.reduceat(columns, cuts)
    drawn = np.random.default_rng(0).integers(0, len(blocks), (DRAWS, len(blocks)))
    sums = blocks[drawn].sum(axis=1)
    return [
        tuple(np.quantile(sums[:, place] / sums[:, 0], [0.025, 0.975]).tolist())  # type: ignore[misc]
        for place in (1, 2)
    ]
