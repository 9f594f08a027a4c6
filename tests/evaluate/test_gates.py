from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from everloop.data.schema import Feature, Schema
from everloop.errors import InvalidInput
from everloop.evaluate.gates import Answers, Evidence, check_spec, chosen_gates, parse_gate
from everloop.evaluate.spec import EvaluateSpec
from everloop.extensions import gates

BINARY = Schema((Feature("x", "number"),), "y", "binary", ("no", "yes"))


def evidence(n=1_000, lift=1.5, champion_lift=None, seed=0, **more):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.4).astype(np.int64)
    shared = rng.normal(size=n)

    def answers(by):
        p = 1 / (1 + np.exp(-(by * y + shared + 0.3 * rng.normal(size=n) - by / 2)))
        return Answers((p > 0.5).astype(np.int64), np.column_stack([1 - p, p]))

    champion = None if champion_lift is None else answers(champion_lift)
    return Evidence(BINARY, pl.DataFrame({"x": shared}), y, answers(lift), champion, **more)


@pytest.mark.parametrize(
    ("sentence", "given", "verdict"),
    [
        ("roc_auc >= 0.8", {}, "pass"),
        ("roc_auc>=0.95", {}, "fail"),
        ("roc_auc >= 0.84", {"seed": 1}, "not_enough_evidence"),  # its interval ends at 0.848
        ("log_loss <= 0.6", {}, "pass"),
        ("log_loss < 0.1", {}, "fail"),
        ("roc_auc <= 0.99", {}, "pass"),
        ("roc_auc >= 0.8", {"n": 29}, "not_enough_evidence"),
        ("roc_auc beats champion", {}, "pass"),
        ("roc_auc beats champion", {"champion_lift": 1.0}, "pass"),
        ("log_loss beats champion", {"champion_lift": 1.0}, "pass"),
        ("roc_auc beats champion", {"champion_lift": 2.0}, "fail"),
        ("roc_auc  beats  champion", {"champion_lift": 1.49, "n": 60}, "not_enough_evidence"),
        ("roc_auc beats champion", {"champion_lift": 0.0, "n": 20}, "not_enough_evidence"),
        ("roc_auc not worse than champion by 0.05", {"champion_lift": 1.5}, "pass"),
        ("roc_auc not worse than champion by 0.01", {"champion_lift": 2.5}, "fail"),
        (
            "roc_auc not worse than champion by 0.01",
            {"champion_lift": 1.5, "n": 60},
            "not_enough_evidence",
        ),
        ("p99_latency_ms <= 20", {"latency": lambda: 3.5}, "pass"),
        ("p99_latency_ms <= 20", {"latency": lambda: 30.0}, "fail"),
        ("p99_latency_ms <= 20", {}, "not_enough_evidence"),
        ("p99_latency_ms <= 20", {"latency": lambda: None}, "not_enough_evidence"),
    ],
)
def test_verdicts(sentence, given, verdict):
    found = parse_gate(sentence).check(evidence(**given))
    assert found.verdict == verdict, found.detail
    assert found.gate == sentence and found.detail.endswith(".")


def test_a_first_model_is_told_that_it_met_no_champion():
    found = parse_gate("roc_auc beats champion").check(evidence())
    assert (found.verdict, found.detail) == ("pass", "There is no champion yet.")


def test_the_same_model_again_does_not_beat_itself():
    given = evidence(champion_lift=1.0)
    same = Evidence(BINARY, given.frame, given.y, given.champion, given.champion)
    found = parse_gate("accuracy beats champion").check(same)
    assert found.verdict == "fail" and found.value == 0.0


def test_a_holdout_of_one_class_is_not_enough_and_says_which_is_missing():
    given = evidence()
    one = Evidence(BINARY, given.frame, np.zeros_like(given.y), given.challenger)
    found = parse_gate("accuracy >= 0.1").check(one)
    assert found.verdict == "not_enough_evidence" and "0 rows of class 'yes'" in found.detail


def test_answers_that_are_no_numbers_fail():
    schema = Schema((Feature("x", "number"),), "y", "regression")
    y = np.arange(50.0)
    bad = Evidence(schema, pl.DataFrame({"x": y}), y, Answers(np.full(50, np.nan)), Answers(y))
    for sentence in ("rmse <= 5", "rmse beats champion", "rmse not worse than champion by 1"):
        found = parse_gate(sentence).check(bad)
        assert found.verdict == "fail" and found.value is None


def grouped(rates: dict, n: int):
    chosen = np.concatenate([np.arange(n) < round(rate * n) for rate in rates.values()])
    frame = pl.DataFrame({"site": [name for name in rates for _ in range(n)]})
    pred = chosen.astype(np.int64)
    return Evidence(BINARY, frame, pred, Answers(pred))


@pytest.mark.parametrize(
    ("rates", "n", "verdict"),
    [
        ({"a": 0.5, "b": 0.45}, 400, "pass"),
        ({"a": 0.5, "b": 0.45, None: 0.2}, 400, "fail"),
        ({"a": 0.5, "b": 0.35}, 40, "not_enough_evidence"),
        ({"a": 0.1, "b": 0.0}, 40, "not_enough_evidence"),
        ({"a": 0.5, "b": 0.0}, 100, "fail"),
        ({"a": 0.5, "b": 0.0}, 10, "not_enough_evidence"),
        ({"a": 0.0, "b": 0.0}, 100, "not_enough_evidence"),
    ],
)
def test_selection_rates_by_group(rates, n, verdict):
    found = parse_gate("selection_rate_ratio by site >= 0.8").check(grouped(rates, n))
    assert found.verdict == verdict, found.detail


def test_small_groups_are_left_out_and_said():
    given = grouped({"a": 0.5, "b": 0.5}, 100)
    names = ["rare"] * 5 + given.frame["site"].to_list()[5:]
    frame = pl.DataFrame({"site": names})
    found = parse_gate("selection_rate_ratio by site >= 0.8").check(
        Evidence(BINARY, frame, given.y, given.challenger)
    )
    assert found.verdict == "pass" and "1 groups of fewer than 30 rows left out" in found.detail


def test_a_group_column_that_is_not_there_is_refused_with_the_nearest():
    with pytest.raises(InvalidInput, match=r'no sites.*Did you mean "site"'):
        parse_gate("selection_rate_ratio by sites >= 0.8").check(grouped({"a": 0.5}, 40))


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
        ("roc_acu >= 0.6", 'Did you mean "roc_auc"'),
        ("roc_acu beats champion", 'Did you mean "roc_auc"'),
        ("p99_latency_mss <= 20", 'Did you mean "p99_latency_ms"'),
        ("roc_auc beat champion", 'Did you mean "roc_auc beats champion"'),
        ("roc_auc >= high", 'Did you mean "roc_auc >= 0.5"'),
        ("roc_auc >= 1.5", "a bound from 0 to 1"),
        ("roc_auc not worse than champion by 0", "a margin above 0"),
        ("p99_latency_ms >= 20", "p99_latency_ms <= a number above 0"),
        ("selection_rate_ratio by x >= 3", "a number from 0 to 1"),
        ("", "one of the forms METRIC beats champion"),
    ],
)
def test_a_bad_sentence_gets_one_answer(sentence, answer):
    with pytest.raises(InvalidInput, match=answer) as caught:
        check_spec(EvaluateSpec(gates=("accuracy >= 0.5", sentence)))
    assert caught.value.path == "evaluate.gates[1]"


@pytest.mark.parametrize(
    ("spec", "task", "answer"),
    [
        (EvaluateSpec(metric="rocauc"), None, 'evaluate.metric.*Did you mean "roc_auc"'),
        (EvaluateSpec(metric="rmse"), "binary", "a metric for binary: accuracy"),
        (EvaluateSpec(gates=("rmse <= 5",)), "binary", "a metric for binary: accuracy"),
        (EvaluateSpec(gates=("roc_auc beats champion",)), "regression", "a metric for regression"),
        (
            EvaluateSpec(gates=("selection_rate_ratio by x >= 0.8",)),
            "regression",
            "a binary target: regression has no class",
        ),
        (EvaluateSpec(holdout=1.5), None, "evaluate.holdout: got 1.5"),
        (EvaluateSpec(holdout="a week"), None, "evaluate.holdout: got 'a week'"),
    ],
)
def test_a_bad_section_gets_one_answer(spec, task, answer):
    with pytest.raises(InvalidInput, match=answer):
        check_spec(spec, task)


def test_gates_may_only_read_columns_of_the_data():
    spec = EvaluateSpec(gates=("selection_rate_ratio by carier >= 0.8",))
    check_spec(spec, "binary", ["carier"])
    with pytest.raises(InvalidInput, match='Did you mean "carrier"'):
        check_spec(spec, "binary", ["carrier", "origin"])


def test_the_default_gate_is_to_beat_the_champion_by_the_tasks_metric():
    assert [g.text for g in chosen_gates(EvaluateSpec(), "binary")] == ["roc_auc beats champion"]
    assert chosen_gates(EvaluateSpec(gates=()), "binary") == []


def test_every_kind_of_gate_reads_its_own_form():
    for name, kind in gates:
        sentence = kind.form.replace("METRIC", "accuracy").replace("NUMBER", "0.5")
        assert type(parse_gate(sentence)) is kind, name
