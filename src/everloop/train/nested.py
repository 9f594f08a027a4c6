"""How good the whole choice is: candidates, parameters and threshold chosen anew in outer parts.

The best of many validation scores flatters itself, since it was chosen for being the best. Here the
choice is made inside each outer part's training rows, and judged by rows that had no say in it
(Varma and Simon, Bias in error estimation when using cross-validation for model selection, 2006).
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
from scipy.special import stdtrit

from everloop.data.schema import Schema
from everloop.errors import invalid
from everloop.train.fit import fit_candidates
from everloop.train.fitting import Report, silent
from everloop.train.predictions import predict
from everloop.train.spec import TrainSpec
from everloop.train.training import Score
from everloop.train.validation import FIELD, Known, outer_parts

CONFIDENCE = 0.95


class NestedEstimate(msgspec.Struct, frozen=True):
    """The mean score of the outer parts; greater is better.

    ``low`` and ``high`` are the 95 % interval by the corrected resampled t-test (Nadeau and Bengio,
    Inference for the generalization error, 2003): outer parts share training rows, so their scores
    vary less than the estimate does. None with a single part that could be scored.
    """

    value: float
    low: float | None
    high: float | None
    scores: list[float]
    chosen: list[str]  # the candidate that won in each part


def nested_estimate(
    X: np.ndarray,
    y: np.ndarray,
    schema: Schema,
    spec: TrainSpec,
    score: Score,
    seed: int,
    report: Report = silent,
    time_ordered: bool = False,
    groups: np.ndarray | None = None,
    known: Known = Known(),  # noqa: B008 - frozen
    costs: np.ndarray | None = None,
    study: Path | None = None,
) -> NestedEstimate:
    """Choose in each outer part as :func:`~everloop.train.fit.fit_candidates` does, and judge.

    Takes what ``fit_candidates`` takes; each part repeats the search with its whole budget, in a
    file beside ``study``. ``report`` is called with ``"nested"`` (part, parts, candidate, score).

    Raises :class:`~everloop.errors.InvalidInput` when no part can be scored.
    """
    outer = outer_parts(y, spec.validation, known, time_ordered)
    scores, chosen = [], []
    for number, (fit, rows) in enumerate(outer, 1):
        place = None if study is None else study.with_name(f"{study.stem}-outer{number}.jsonl")
        best = fit_candidates(
            X[fit],
            y[fit],
            schema,
            spec,
            score,
            seed,
            silent,
            time_ordered=time_ordered,
            groups=None if groups is None else groups[fit],
            known=known.of(fit, salt=1),
            costs=costs,
            study=place,
        )[0]
        extra = () if groups is None else (groups[rows],)
        scores.append(score(y[rows], *predict(best.estimator, X[rows], schema), *extra))
        chosen.append(best.name)
        told = {"part": number, "parts": len(outer), "candidate": best.name}
        report("nested", told | {"score": scores[-1]})
    share = float(np.mean([len(rows) / len(fit) for fit, rows in outer]))
    return _estimate(scores, chosen, share)


def _estimate(scores: list[float], chosen: list[str], share: float) -> NestedEstimate:
    """``share`` is that of the rows which judge, of those which fit."""
    found = np.array([s for s in scores if np.isfinite(s)])
    if not len(found):
        raise invalid(f"{FIELD}.kind", "nested", "outer parts that the metric can judge")
    value, count = float(found.mean()), len(found)
    if count < 2:
        return NestedEstimate(value, None, None, scores, chosen)
    error = np.sqrt((1 / count + share) * found.var(ddof=1))
    reach = float(stdtrit(count - 1, 0.5 + CONFIDENCE / 2) * error)
    return NestedEstimate(value, value - reach, value + reach, scores, chosen)
