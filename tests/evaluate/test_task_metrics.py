"""Metrics of quantiles and of rankings."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, mean_pinball_loss, ndcg_score

from everloop.data.quantiles import with_levels
from everloop.data.schema import Feature, Schema
from everloop.evaluate.metrics import estimate, get_metric

SCHEMA = Schema((Feature("x", "number"),), "y", "quantile", quantiles=(0.1, 0.5, 0.9))


def test_pinball_and_coverage_by_their_definition():
    rng = np.random.default_rng(0)
    y, quantiles = rng.normal(size=300), np.sort(rng.normal(size=(300, 3)), axis=1)
    both = with_levels(quantiles, SCHEMA)
    expected = np.mean(
        [mean_pinball_loss(y, quantiles[:, i], alpha=q) for i, q in enumerate(SCHEMA.quantiles)]
    )
    assert get_metric("pinball").function(y, quantiles[:, 1], both) == pytest.approx(expected)
    found = estimate(get_metric("coverage"), y, quantiles[:, 1], both)
    inside = np.mean((y >= quantiles[:, 0]) & (y <= quantiles[:, 2]))
    assert found.value == pytest.approx(inside) and found.low < inside < found.high


def test_rankings_are_judged_group_by_group():
    rng = np.random.default_rng(0)
    groups = rng.permutation(np.repeat(np.arange(20), 12))
    relevance, score = rng.integers(0, 3, 240).astype(float), rng.normal(size=240)
    parts = [(relevance[groups == g], score[groups == g]) for g in range(20)]
    ndcg = np.mean([ndcg_score([2**r - 1], [s], k=10) for r, s in parts])
    found = estimate(get_metric("ndcg").grouped(groups), relevance, score, None)
    assert found.value == pytest.approx(ndcg) and found.low < ndcg < found.high
    precision = np.mean([average_precision_score(r > 0, s) for r, s in parts])
    same = get_metric("map").score(relevance, score, None, groups)
    assert same == pytest.approx(precision)


def test_a_constant_answer_gains_nothing_from_the_order_of_rows():
    y = np.array([1.0] + [0.0] * 11)
    assert get_metric("hit_rate").function(y, np.zeros(12), None) == 0.0
    assert get_metric("hit_rate").function(y, np.arange(12.0)[::-1], None) == 1.0
    assert get_metric("ndcg").undefined(np.zeros(3)) == "no row is relevant"
