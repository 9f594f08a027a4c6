"""Agreement of two models' scores, which needs no labels."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from everloop.data.schema import Feature, Schema
from everloop.errors import InvalidInput
from everloop.evaluate.agreement import agreement
from everloop.evaluate.answers import Answers
from everloop.evaluate.gates import Evidence, parse_gate
from everloop.evaluate.metrics import estimate, get_metric

SCHEMA = Schema((Feature("x", "number"),), "odd", "anomaly", (False, True))


def evidence(ours: np.ndarray, theirs: np.ndarray | None, y: np.ndarray | None = None) -> Evidence:
    def answers(p: np.ndarray) -> Answers:
        return Answers((p >= 0.5).astype(np.int64), np.column_stack([1 - p, p]))

    n = len(ours)
    return Evidence(
        schema=SCHEMA,
        frame=pl.DataFrame({"x": np.zeros(n)}),
        y=np.full(n, -1) if y is None else y,
        challenger=answers(ours),
        champion=None if theirs is None else answers(theirs),
    )


def test_it_is_spearmans_and_its_interval_holds_the_truth() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        a = rng.normal(size=150)
        b = 0.8 * a + 0.6 * rng.normal(size=150)
        found = agreement(a, b)
        assert found is not None
        assert found.value == pytest.approx(spearmanr(a, b).statistic)
        held += found.low < 6 / np.pi * np.arcsin(0.8 / 2) < found.high
    assert held >= 180
    assert agreement(np.ones(50), np.arange(50.0)) is None


@pytest.mark.parametrize(
    ("share", "verdict"), [(0.1, "pass"), (0.75, "not_enough_evidence"), (3.0, "fail")]
)
def test_the_gate_holds_a_refit_to_the_champions_order(share: float, verdict: str) -> None:
    rng = np.random.default_rng(1)
    theirs = rng.random(60)
    ours = theirs + share * rng.random(60)
    gate = parse_gate("agreement with champion >= 0.85")
    assert gate.compares and not gate.needs_labels
    assert gate.check(evidence(ours, theirs)).verdict == verdict
    assert gate.check(evidence(ours, None)).verdict == "pass"
    assert gate.check(evidence(ours[:20], theirs[:20])).verdict == "not_enough_evidence"


def test_bounds_and_tasks_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InvalidInput, match="a rank correlation"):
        parse_gate("agreement with champion >= 1.5")
    with pytest.raises(InvalidInput, match="a gate for binary"):
        parse_gate("agreement with champion >= 0.5").check_task("binary")


def test_only_labelled_rows_tell_what_needs_labels() -> None:
    rng = np.random.default_rng(2)
    y = rng.integers(-1, 2, 300)
    scores = np.where(y >= 0, 0.3 * y + 0.7 * rng.random(300), rng.random(300))
    whole = evidence(scores, None, y)
    known = whole.labelled
    assert len(known.y) == (y >= 0).sum() and known.unit == "labelled rows"
    assert known.frame.height == len(known.y) and known.labelled is known
    flagged = get_metric("flagged")
    found = estimate(flagged, whole.y, whole.challenger.pred, None)
    assert found.value == (scores >= 0.5).mean() and found.low < found.value < found.high
