"""Several comparisons at once, the words about verdicts, and costs."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.stats import binomtest

from everloop.data.schema import Feature, Schema
from everloop.errors import InvalidInput
from everloop.evaluate.answers import Answers
from everloop.evaluate.compare import DELONG, MCNEMAR, adjusted, compare
from everloop.evaluate.costs import cost_table, metric_of
from everloop.evaluate.gates import Evidence, bless, check_gates, check_spec, chosen_gates
from everloop.evaluate.metrics import get_metric
from everloop.evaluate.spec import CostSpec, EvaluateSpec

SCHEMA = Schema((Feature("x", "number"),), "y", "binary", ("no", "yes"))
METRICS = ("roc_auc", "log_loss", "brier", "accuracy", "f1")
BEATS = EvaluateSpec(gates=tuple(f"{m} beats champion" for m in METRICS))


def equal_pair(seed: int, n: int = 300, gain: float = 0.0) -> Evidence:
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.4).astype(np.int64)
    shared = rng.normal(size=n)

    def answers(lift: float) -> Answers:
        p = 1 / (1 + np.exp(-(lift * (y - 0.5) + shared + rng.normal(size=n))))
        return Answers((p > 0.5).astype(np.int64), np.column_stack([1 - p, p]))

    frame = pl.DataFrame({"x": shared})
    return Evidence(SCHEMA, frame, y, answers(1 + gain), answers(1.0), seed=seed)


def test_hochberg_by_hand() -> None:
    assert adjusted([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.04, 0.04])
    assert adjusted([0.02, 0.02]) == pytest.approx([0.02, 0.02])
    assert adjusted([0.02, 0.9]) == pytest.approx([0.04, 0.9])
    assert adjusted([]) == []


def test_more_comparisons_do_not_make_more_false_claims() -> None:
    gates = chosen_gates(
        EvaluateSpec(gates=tuple(f"{m} beats champion" for m in METRICS)), "binary"
    )
    spec = EvaluateSpec()
    told = [check_gates(gates, equal_pair(seed), spec) for seed in range(120)]
    # 3 of 120 are expected at most; more than 9 has a chance of 0.1 %.
    assert sum(any(r.verdict == "pass" for r in results) for results in told) <= 9


def test_a_challenger_that_is_better_by_all_loses_nothing_by_being_asked_more() -> None:
    gates = chosen_gates(
        EvaluateSpec(gates=tuple(f"{m} beats champion" for m in METRICS)), "binary"
    )
    for seed in range(3):
        given = equal_pair(seed, 1_000, gain=1.0)
        together = check_gates(gates, given, EvaluateSpec())
        assert [r.verdict for r in together] == [g.check(given).verdict for g in gates]


def test_each_metric_is_compared_by_its_best_test() -> None:
    given = equal_pair(3)
    by = {m: compare(get_metric(m), given.y, given.challenger, given.champion) for m in METRICS}
    assert by["roc_auc"].test == DELONG and by["accuracy"].test == MCNEMAR
    assert by["f1"].test == "paired bootstrap"


def test_mcnemar_stays_between_the_exact_test_and_no_test() -> None:
    given = equal_pair(5, 400, gain=0.5)
    found = compare(get_metric("accuracy"), given.y, given.challenger, given.champion)
    ours, theirs = given.challenger.pred == given.y, given.champion.pred == given.y
    b, c = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    exact = binomtest(b, b + c, alternative="greater").pvalue
    assert exact / 3 < found.p_value < exact
    assert found.difference == pytest.approx((b - c) / 400)
    assert (found.low > 0) == (found.p_value < 0.025)


@pytest.mark.parametrize(
    ("spec", "marker", "refused", "asks"),
    [
        (EvaluateSpec(), "NOT_BLESSED", 2, 0),
        (EvaluateSpec(on_fail="ask", on_not_enough_evidence="pass"), "NOT_BLESSED", 0, 1),
        (EvaluateSpec(on_fail="pass", on_not_enough_evidence="pass"), "BLESSED", 0, 0),
        (EvaluateSpec(on_fail="refuse", on_not_enough_evidence="ask"), "NOT_BLESSED", 1, 1),
    ],
)
def test_what_is_done_is_the_users_word(spec, marker, refused, asks) -> None:
    gates = chosen_gates(EvaluateSpec(gates=("accuracy >= 0.99", "size_mb <= 3")), "binary")
    blessing = bless(check_gates(gates, equal_pair(0), spec))
    assert (blessing.marker, len(blessing.refused), len(blessing.asks)) == (marker, refused, asks)


def test_one_gate_may_have_a_word_of_its_own() -> None:
    gates = chosen_gates(EvaluateSpec(gates=("accuracy >= 0.99, else ask",)), "binary")
    [result] = check_gates(gates, equal_pair(0), EvaluateSpec())
    assert (result.gate, result.verdict, result.word) == ("accuracy >= 0.99", "fail", "ask")


def test_money_is_counted_by_the_table() -> None:
    spec = EvaluateSpec(
        metric="cost", cost=CostSpec(false_positive=5.0, false_negative=20.0, true_positive=-2.0)
    )
    metric = metric_of(spec, SCHEMA)
    y, pred = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 0, 1, -1])
    assert metric.function(y, pred, None) == pytest.approx((0 + 5 + 20 - 2 + 20) / 5)
    assert not metric.greater_is_better and get_metric("cost").costs is None


@pytest.mark.parametrize(
    ("cost", "classes", "answer"),
    [
        (CostSpec(true_positive=-1.0), 3, "matrix, 3 by 3 numbers"),
        (CostSpec(matrix=((0.0, 1.0),)), 2, "1 rows of 2 numbers.*2 rows of 2"),
        (CostSpec(), 2, "a wrong answer that costs more"),
    ],
)
def test_costs_that_make_no_sense_are_refused(cost, classes, answer) -> None:
    with pytest.raises(InvalidInput, match=answer):
        cost_table(cost, classes)


def test_cost_without_costs_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"\[evaluate.cost\]"):
        check_spec(EvaluateSpec(metric="cost"))
