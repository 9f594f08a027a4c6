"""Anomalies without labels: what is known without them, and labels that come by feedback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from loop_stream import carry_out

import everloop as el
from everloop.data.segments import FeedbackRecord, PredictionRecord, SegmentWriter, encode_record
from everloop.errors import InvalidInput
from everloop.evaluate.report.html import read_report
from everloop.loop.answers import PackagedModel
from everloop.loop.checking import check

ROWS = 600
GATES = ["flagged <= 0.3", "agreement with champion >= 0.8"]


def odd_rows() -> np.ndarray:
    return np.random.default_rng(1).random(ROWS) < 0.1


def declared(folder: Path, **sections: Any) -> el.Loop:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({c: rng.normal(size=ROWS) + 5.0 * odd_rows() for c in "abc"})
    frame = frame.with_columns(id=pl.Series([f"r{i}" for i in range(ROWS)]))
    frame.write_csv(folder / "rows.csv")
    made: dict[str, Any] = {
        "loop": {"name": "odd"},
        "data": {"source": "rows.csv", "task": "anomaly", "id": "id"},
        "train": {"space": {"isolation_forest": {"contamination": 0.1, "n_estimators": 40}}},
        "evaluate": {"gates": GATES},
    }
    for name, values in sections.items():
        made[name] = {**made.get(name, {}), **values}
    return el.declare(folder, el.from_dict(made).declaration)


def judged(loop: el.Loop, cycle: Any) -> dict[str, Any]:
    step = loop.project.cycles.step(cycle.id, "evaluate")
    assert step is not None and step.result is not None
    return step.result


def send_labels(loop: el.Loop) -> None:
    """All rows are asked about, and two thirds of them get their label."""
    project = loop.project
    champion = project.champion("odd")
    frame = pl.read_csv(project.dir / "rows.csv")
    answers = PackagedModel(*project.package(champion)).predictor.predict(
        frame.select("a", "b", "c").to_numpy()
    )
    ids = frame["id"].to_list()
    record = PredictionRecord(
        at=1, request="r", endpoint="odd", version=champion.version, arm="champion", ids=ids,
        times=None, columns={c: frame[c].to_list() for c in "abc"},
        y=answers.y, p=answers.probabilities.tolist(), ms=1.0,
    )  # fmt: skip
    labels = [bool(odd) for odd in odd_rows()]
    some = [i for i in range(ROWS) if i % 3]
    feedback = FeedbackRecord(
        at=2, endpoint="odd", ids=[ids[i] for i in some], labels=[labels[i] for i in some]
    )
    for kind, written in (("predictions", record), ("feedback", feedback)):
        SegmentWriter(project.state / "log" / kind, kind[0]).append(encode_record(written))
    project.log.ship()


def test_without_labels_a_version_is_judged_by_what_it_flags(tmp_path: Path) -> None:
    loop = declared(tmp_path)
    first = carry_out(loop.project, loop.run(wait=False))
    assert first.verdict == "promoted" and "flagged" in (first.reason or "")
    found = judged(loop, first)
    assert set(found["metrics"]) == {"flagged"} and found["metric"] == "flagged"
    assert found["metrics"]["flagged"]["value"] == pytest.approx(0.1, abs=0.07)
    assert found["notes"][0].startswith(f"0 of {found['rows']} held-out rows have labels")
    trained = loop.project.cycles.step(first.id, "train").result
    assert 0.8 < trained["stability"] < 1 and f"{trained['stability']:.3f}" in found["notes"][1]
    report = read_report(loop.project.blobs.get(found["report"]["report.json"]))
    assert report.left_out == [
        "curves, confusion, slices, importances: no held-out row has a label"
    ]
    assert report.data is not None and report.data.test_rows == found["rows"]
    answers = loop.predict(pl.DataFrame({c: [9.0, 0.0] for c in "abc"}))
    assert answers["y_pred"].to_list() == [True, False]

    send_labels(loop)
    second = carry_out(loop.project, loop.run(wait=False))
    assert second.verdict == "promoted", second.reason
    found = judged(loop, second)
    assert found["metric"] == "average_precision" and found["unit"] == "labelled held-out rows"
    assert found["metrics"]["roc_auc"]["value"] > 0.95
    assert found["metrics"]["roc_auc"]["n"] == found["rows"] < found["metrics"]["flagged"]["n"]
    agreed = found["gates"][1]
    assert agreed["verdict"] == "pass" and 0.8 < agreed["low"] < agreed["value"] <= 1
    assert "comparison" in found and "rank correlation" in found["notes"][2]
    again = carry_out(loop.project, loop.reproduce(trained["run"], wait=False))
    assert again.verdict == "reproduced" and "flagged" in (again.reason or "")
    loop.project.close()


def test_a_gate_that_needs_labels_says_that_it_cannot_tell(tmp_path: Path) -> None:
    loop = declared(tmp_path, evaluate={"gates": ["roc_auc >= 0.9"]})
    ended = carry_out(loop.project, loop.run(wait=False))
    assert ended.verdict == "rejected"
    (gate,) = judged(loop, ended)["gates"]
    assert gate["verdict"] == "not_enough_evidence"
    assert gate["detail"] == "the holdout has 0 labelled rows; 30 are needed."
    loop.project.close()


@pytest.mark.parametrize(
    ("sections", "part"),
    [
        ({"train": {"search": {"trials": 3}}}, "no search, as no labels tell"),
        ({"train": {"candidates": ["isolation_forest", "m:f"]}}, "one candidate, as no labels"),
        ({"train": {"validation": {"kind": "k_fold"}}}, "no labels are there to validate by"),
        (
            {"train": {"space": {"isolation_forest": {"contamination": 0.7}}}},
            "contamination: got 0.7, expected a share above 0 and at most 0.5",
        ),
    ],
)
def test_what_only_labels_could_choose_is_refused(
    tmp_path: Path, sections: dict[str, Any], part: str
) -> None:
    loop = declared(tmp_path, **sections)
    ended = carry_out(loop.project, loop.run(wait=False))
    assert ended.verdict == "refused" and part in (ended.reason or ""), ended.reason
    loop.project.close()


def test_labels_in_the_data_are_not_overlooked(tmp_path: Path) -> None:
    pl.DataFrame({"x": [float(i) for i in range(50)], "anomaly": [False, True] * 25}).write_csv(
        tmp_path / "rows.csv"
    )
    (tmp_path / "everloop.toml").write_text('[data]\nsource = "rows.csv"\ntask = "anomaly"\n')
    with pytest.raises(InvalidInput, match=r'Set data.target = "anomaly", or rename'):
        check(tmp_path)
    with pytest.raises(InvalidInput, match="a value for target"):
        el.from_dict({"data": {"source": "rows.csv", "task": "binary"}})
    with pytest.raises(InvalidInput, match="the task anomaly beside it"):
        el.from_dict({"data": {"source": "rows.csv", "target": "y", "unlabelled": True}})
