"""Labels that look poisoned: a part of a window in which they contradict the model.

The champion was trained on the rows before. Where the world moves, its answers get worse in many
places at once. Where somebody turns labels round, they contradict even its surest answers, in one
part alone (one class, one source, one segment), and the rest is as it was. Such a window is a
suspicion, not a finding: its rows wait in quarantine until a person releases them. What spreads
thinly over all rows cannot be told from noise, and is not looked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl
import scipy
from numpy.typing import NDArray

from everloop.data.schema import Schema
from everloop.monitor.quality._base import Fault

LABELS = "(labels)"  # what the fault is found in
SURE = 0.8  # probability from which on an answer counts as sure
LEAST, LEAST_BEFORE = 30, 100  # sure answers of a part, in the window and before it
TURNED = 0.9  # of what turning every label of the part would make of its contradictions
MOST_BEFORE = 0.2  # share of contradictions of a part; where it was more, the model was never sure
LEVEL = 1e-6  # of the test, over all parts
REST = 0.05  # how much more of the rest may be contradicted than before
FEATURES, LEVELS = 20, 30  # categories that are looked at, and levels of each

Counts = dict[str, list[int]]
"""Part of the rows -> how many sure answers it has, and how many of them labels contradict."""
ALL = "all rows"


def contradicted(
    frame: pl.DataFrame,
    y: NDArray[Any],
    pred: NDArray[Any],
    proba: NDArray[np.float64] | None,
    schema: Schema,
) -> Counts:
    """Sure answers and contradictions, by class and by level of each category.

    ``y`` and ``pred`` are n codes; empty for numbers and for several labels a row.
    """
    if schema.task not in ("binary", "multiclass") or not len(y):
        return {}
    sure = np.ones(len(y), dtype=bool) if proba is None else proba.max(axis=1) >= SURE
    wrong = (y != pred)[sure]
    found = {ALL: [len(wrong), int(wrong.sum())]}
    answers = pred[sure]
    for code, label in enumerate(schema.classes):
        mine = wrong[answers == code]
        found[f"answers of {label}"] = [len(mine), int(mine.sum())]
    kept = frame.filter(pl.Series(sure)).with_columns(pl.Series("(wrong)", wrong))
    names = [f.name for f in schema.features if f.kind == "category" and f.name in frame.columns]
    for name in names[:FEATURES]:
        levels = (
            kept.group_by(pl.col(name).cast(pl.String).alias("level"))
            .agg(pl.len().alias("n"), pl.col("(wrong)").sum().alias("wrong"))
            .sort("n", "level", descending=[True, False])
            .head(LEVELS)
        )
        found |= {f"{name}={level}": [n, bad] for level, n, bad in levels.rows()}
    return found


def suspicion(now: Counts, before: Iterable[Counts]) -> Fault | None:
    """The part whose labels look turned round, if there is one; None with too little to tell.

    A one-sided binomial test against the past share of the same part, over all parts (Bonferroni).
    """
    past: Counts = {}
    for counts in before:
        for part, (n, wrong) in counts.items():
            known = past.setdefault(part, [0, 0])
            past[part] = [known[0] + n, known[1] + wrong]
    parts = [part for part in now if part != ALL and _enough(part, now, past)]
    found = [part for part in parts if _turned(part, now, past, LEVEL / len(parts))]
    if not found:
        return None
    worst = max(found, key=lambda part: now[part][1])
    n, wrong = now[worst]
    usual = past[worst][1] / past[worst][0]
    summary = (
        f"labels contradict {wrong} of the model's {n} sure answers where {_words(worst)} "
        f"({wrong / n:.0%}, {usual:.0%} before), and the other rows are as they were: they look "
        "poisoned"
    )
    evidence = {"part": worst, "rows": n, "contradicted": wrong, "share_before": usual}
    evidence |= {"parts": {part: now[part] for part in found}}
    return Fault("labels", summary, True, evidence)


def _enough(part: str, now: Counts, past: Counts) -> bool:
    return now[part][0] >= LEAST and past.get(part, [0, 0])[0] >= LEAST_BEFORE


def _turned(part: str, now: Counts, past: Counts, level: float) -> bool:
    (n, wrong), (before, bad) = now[part], past[part]
    usual = (bad + 1) / (before + 2)  # Laplace: no past is so good that one error is a proof
    if usual >= MOST_BEFORE or wrong / n < TURNED * (1 - usual):
        return False
    if scipy.special.bdtrc(wrong - 1, n, usual) > level:
        return False
    rest, rest_before = _rest(part, now), _rest(part, past)
    return rest is None or rest <= (rest_before or 0.0) + REST


def _rest(part: str, counts: Counts) -> float | None:
    """The share of contradictions in all other rows; None where there are few."""
    n, wrong = counts[ALL][0] - counts[part][0], counts[ALL][1] - counts[part][1]
    return wrong / n if n >= LEAST else None


def _words(part: str) -> str:
    if part.startswith("answers of "):
        return f"it answers {part.removeprefix('answers of ')}"
    name, _, level = part.partition("=")
    return f"{name} is {level}"
