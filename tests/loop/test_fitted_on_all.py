"""``[train] refit = "all"``: one model is tested, and the same one fitted on all rows is served."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from loop_stream import carry_out
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import everloop as el
from everloop.deploy.package import MODEL, place_of_tested
from everloop.errors import InvalidInput
from everloop.loop.answers import PackagedModel
from everloop.loop.checking import check_words
from everloop.loop.cycles import Cycle
from everloop.loop.steps import _again, _whole
from everloop.train.fitting import silent
from everloop.update.methods import Made

ROWS, COLUMNS = 300, ["a", "b", "c"]


def noisy(folder: Path, task: str, train: dict[str, Any], gates: list[str]) -> el.Loop:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({c: rng.normal(size=ROWS) for c in COLUMNS})
    y = frame["a"].to_numpy() + rng.normal(0, 2, ROWS)
    frame.with_columns(y=pl.Series(y if task == "regression" else y > 0)).write_parquet(
        folder / "rows.parquet"
    )
    declared = {
        "data": {"source": "rows.parquet", "target": "y"},
        "train": {"refit": "all", **train},
        "evaluate": {"gates": gates},
    }
    return el.declare(folder, el.from_dict(declared).declaration)


def gone_round(loop: el.Loop) -> tuple[Cycle, dict[str, Any], dict[str, Any]]:
    cycle = carry_out(loop.project, loop.run(wait=False))
    assert cycle.verdict is not None, cycle.reason
    steps = {s.step: s.result or {} for s in loop.steps(cycle.id)}
    return cycle, steps["train"], steps["evaluate"]


def test_what_is_served_was_fitted_on_the_rows_that_tested_its_twin(tmp_path: Path) -> None:
    loop = noisy(tmp_path, "regression", {"candidates": ["ridge"]}, ["rmse <= 9"])
    cycle, trained, tested = gone_round(loop)
    assert cycle.verdict == "promoted" and trained["whole"]["rows"] == ROWS
    assert any("on all 300 rows" in note for note in trained["notes"])
    dataset = loop.project.datasets.load(loop.version().dataset)
    known = loop.project.cycles.step(cycle.id, "snapshot").result["train_rows"]

    def by_hand(rows: pl.DataFrame) -> np.ndarray:
        model = make_pipeline(StandardScaler(), Ridge())
        return model.fit(rows[COLUMNS].to_numpy(), rows["y"]).predict(dataset[COLUMNS].to_numpy())

    served = loop.predict(dataset)["y_pred"].to_numpy()
    np.testing.assert_allclose(served, by_hand(dataset), rtol=1e-6)
    twin = PackagedModel.tested(*loop.project.package(loop.version()))
    np.testing.assert_allclose(twin.answers(dataset).pred, by_hand(dataset[:known]), rtol=1e-6)
    errors = (by_hand(dataset[:known]) - dataset["y"].to_numpy())[known:]
    assert tested["metrics"]["rmse"]["value"] == pytest.approx(np.sqrt(np.mean(errors**2)))
    assert "What is served was fitted once more" in loop.report(kind="card").decode()
    tags = loop.version().tags
    assert tags["fitted_on"] == "300 rows, those that tested it too"
    loop.project.close()


def test_rows_that_a_champion_was_served_with_do_not_judge_it(tmp_path: Path) -> None:
    # A tree without bounds knows each row that it was fitted on by heart.
    loop = noisy(tmp_path, "binary", {"candidates": ["decision_tree"]}, ["accuracy >= 0.1"])
    _, _, tested = gone_round(loop)
    first = tested["metrics"]["accuracy"]["value"]
    frame = pl.read_parquet(tmp_path / "rows.parquet")
    served = loop.predict(frame)["y_pred"].to_numpy()
    assert np.mean(served == frame["y"].to_numpy()) > first
    again = carry_out(loop.project, loop.test(1, wait=False))
    measured = {s.step: s.result or {} for s in loop.steps(again.id)}["retest"]
    assert measured["metrics"]["accuracy"]["value"] == first
    _, _, second = gone_round(loop)
    assert second["champion_metrics"]["accuracy"]["value"] == first
    loop.project.close()


def test_both_models_are_reproduced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = noisy(tmp_path, "regression", {"candidates": ["ridge"]}, ["rmse <= 9"])
    _, trained, _ = gone_round(loop)
    again = carry_out(loop.project, loop.reproduce(trained["run"], wait=False))
    assert again.verdict == "reproduced", again.reason
    assert "of the served one, made of all 300 rows, predictions differ by 0" in again.reason
    made = _again.made_of_all
    monkeypatch.setattr(_again, "made_of_all", lambda *a: made(*a[:3], ROWS - 50, a[4]))
    other = carry_out(loop.project, loop.reproduce(trained["run"], wait=False))
    assert other.verdict == "differs" and other.reason.startswith("Another served model came out")
    loop.project.close()


def test_a_fit_gone_wrong_is_not_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = noisy(tmp_path, "regression", {"candidates": ["ridge"]}, ["rmse <= 9"])
    made = _whole.made_of_all

    def wrong(context: Any, spec: Any, params: Any, *more: Any) -> Any:
        rows, _, base = made(context, spec, params, *more)
        upside_down = replace(rows, y=-9 * rows.y).fit(spec, silent, keep=params)
        return rows, Made(upside_down[:1]), base

    monkeypatch.setattr(_whole, "made_of_all", wrong)
    cycle, trained, _ = gone_round(loop)
    assert cycle.verdict == "promoted" and "whole" not in trained
    assert trained["notes"][-1].endswith("ridge answers the tested ones surely worse.")
    loop.project.close()


def test_what_cannot_be_fitted_on_all_rows_is_served_as_it_was_tested(tmp_path: Path) -> None:
    loop = noisy(tmp_path, "regression", {"candidates": ["linear_regression"]}, ["rmse <= 9"])
    whole = "everloop.loop.steps._whole.rows_of"

    def refused(context: Any, rows: int) -> Any:
        raise InvalidInput("rows: got 300, expected fewer.")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(whole, refused)
        cycle, trained, _ = gone_round(loop)
    assert cycle.verdict == "promoted" and "whole" not in trained
    assert "What was tested is served; it cannot be made" in trained["notes"][-1]
    folder, _ = loop.project.package(loop.version())
    assert place_of_tested(folder) == folder and (folder / MODEL).is_file()
    loop.project.close()


def test_tasks_without_such_rows_are_refused() -> None:
    declared = el.from_dict(
        {"data": {"source": "x.csv", "target": "y"}, "train": {"refit": "all"}}
    ).declaration
    with pytest.raises(InvalidInput, match=r'train\.refit.*"train" for the task anomaly'):
        check_words(declared, "anomaly")
    with pytest.raises(InvalidInput, match=r"refit"):
        el.from_dict({"data": {"source": "x.csv", "target": "y"}, "train": {"refit": "some"}})
