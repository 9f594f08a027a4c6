"""Quantiles, rankings, anomalies and a function of one's own go round the loop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from loop_stream import carry_out

import everloop as el


def gone_round(folder: Path, frame: pl.DataFrame, declared: dict[str, Any]) -> tuple[Any, Any]:
    frame.write_parquet(folder / "rows.parquet")
    data = {"source": "rows.parquet", **declared.pop("data")}
    loop = el.declare(folder, el.from_dict({"data": data, **declared}).declaration)
    cycle = carry_out(loop.project, loop.run(wait=False))
    assert cycle.verdict == "promoted", cycle.reason
    found = loop.project.cycles.step(cycle.id, "evaluate").result["metrics"]
    return loop, found


def rows(count: int) -> tuple[np.random.Generator, pl.DataFrame]:
    rng = np.random.default_rng(0)
    return rng, pl.DataFrame({c: rng.normal(size=count) for c in "abc"})


def test_quantiles_go_round_the_loop(tmp_path: Path) -> None:
    rng, frame = rows(400)
    frame = frame.with_columns(y=pl.col("a") * 3 + rng.normal(size=400))
    declared = {
        "data": {"target": "y", "task": "quantile", "quantiles": [0.05, 0.5, 0.95]},
        "train": {"candidates": ["linear_quantile"]},
        "evaluate": {"gates": ["pinball <= 1", "coverage >= 0.6", "pinball beats champion"]},
    }
    loop, found = gone_round(tmp_path, frame, declared)
    assert found["coverage"]["value"] > 0.75
    answers = loop.predict(frame.drop("y"))
    assert answers.columns == ["y_pred", "q0.05", "q0.5", "q0.95"]
    assert (answers["q0.05"] <= answers["q0.95"]).all()
    loop.project.close()


def test_a_ranking_goes_round_the_loop(tmp_path: Path) -> None:
    rng, frame = rows(600)
    noisy = frame["a"].to_numpy() + 0.3 * rng.normal(size=600)
    frame = frame.with_columns(
        relevance=np.clip(np.round(noisy + 1), 0, 4).astype(int), query=np.repeat(np.arange(60), 10)
    )
    declared = {
        "data": {"target": "relevance", "task": "ranking", "group": "query"},
        "evaluate": {"gates": ["ndcg >= 0.6", "ndcg beats champion"]},
    }
    loop, found = gone_round(tmp_path, frame, declared)
    assert {"ndcg", "map", "hit_rate"} <= set(found) and found["ndcg"]["value"] > 0.8
    answers = loop.predict(frame.drop("relevance").head(10))
    assert np.corrcoef(answers["y_pred"], frame["a"].head(10))[0, 1] > 0.5
    again = carry_out(loop.project, loop.reproduce(loop.version().run, wait=False))
    assert again.verdict == "reproduced" and "ndcg" in again.reason, again.reason
    loop.project.close()


def test_anomalies_go_round_the_loop(tmp_path: Path) -> None:
    rng, frame = rows(500)
    odd = rng.random(500) < 0.08
    frame = frame.select(pl.all() + pl.Series(odd) * 6.0).with_columns(odd=pl.Series(odd))
    declared = {
        "data": {"target": "odd", "task": "anomaly"},
        "evaluate": {"gates": ["average_precision >= 0.5", "average_precision beats champion"]},
    }
    loop, found = gone_round(tmp_path, frame, declared)
    assert found["roc_auc"]["value"] > 0.9
    answers = loop.predict(pl.DataFrame({c: [9.0, 0.0] for c in "abc"}))
    assert answers["y_pred"].to_list() == [True, False]
    loop.project.close()


def test_a_function_of_ones_own_goes_round_the_loop(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "my_training.py").write_text(
        "from sklearn.linear_model import LogisticRegression\n\n\n"
        "def train(data):\n"
        "    return LogisticRegression(C=0.5, random_state=data.seed).fit(data.X, data.y)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    rng, frame = rows(300)
    frame = frame.with_columns(y=pl.Series(frame["a"].to_numpy() + rng.normal(size=300) > 0))
    declared = {
        "data": {"target": "y"},
        "train": {"candidates": ["my_training:train"]},
        "evaluate": {"gates": ["roc_auc >= 0.6", "roc_auc beats champion"]},
    }
    loop, _ = gone_round(tmp_path, frame, declared)
    answers = loop.predict(pl.DataFrame({"a": [3.0, -3.0], "b": [None, 0.0], "c": [0.0, 0.0]}))
    assert answers["y_pred"].to_list() == [True, False]
    loop.project.close()


def test_what_failed_while_others_went_on_is_said(tmp_path: Path, monkeypatch: Any) -> None:
    """A candidate that a person named does not vanish from the table without a word."""
    (tmp_path / "hungry.py").write_text(
        "class Hungry:\n"
        "    def fit(self, X, y):\n"
        "        raise MemoryError('no room\\nfor it')\n\n"
        "    def predict(self, X):\n"
        "        return X[:, 0]\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    rng, frame = rows(200)
    frame = frame.with_columns(y=pl.col("a") + rng.normal(size=200))
    declared = {
        "data": {"target": "y"},
        "train": {
            "candidates": ["hungry:Hungry", "decision_tree"],
            "search": {"trials": 5},
            "ensemble": False,
            "space": {"decision_tree": {"max_depth": [3, -4]}},
        },
        "evaluate": {"gates": ["rmse <= 5"]},
    }
    loop, _ = gone_round(tmp_path, frame, declared)
    trained = loop.project.cycles.step(loop.history()[0].id, "train").result
    gone, tree = trained["notes"]
    assert gone == "hungry:Hungry could not be fitted: MemoryError: no room for it."
    assert " trials of decision_tree failed, the last one by InvalidParameterError: " in tree
    assert json.loads(loop.report())["training"]["notes"] == [gone, tree]
    loop.project.close()
