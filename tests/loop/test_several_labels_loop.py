"""Several labels a row round the whole loop: labels that come back are scored, and train again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from loop_stream import T0, carry_out

import everloop as el
from everloop.data.segments import FeedbackRecord, PredictionRecord, SegmentWriter, encode_record
from everloop.evaluate.report.html import read_report
from everloop.loop.answers import PackagedModel
from everloop.loop.watching import look
from everloop.monitor.answers import scored_rows
from everloop.monitor.spans import DAY

LABELS = ("hot", "wet")


def rows(rng: np.random.Generator, day: int, n: int, turned: bool = False) -> pl.DataFrame:
    """``hot`` follows ``x`` and ``wet`` follows ``z``; ``turned`` turns both round."""
    x, z = rng.normal(size=(2, n)) * (-1 if turned else 1)
    noise = rng.normal(0, 0.3, (2, n))
    return pl.DataFrame(
        {
            "id": [f"{day}-{i}" for i in range(n)],
            "t": pl.Series((T0 + day * DAY + np.linspace(0, DAY - 1, n)).astype(np.int64)).cast(
                pl.Datetime("ms")
            ),
            "x": -x if turned else x,
            "z": -z if turned else z,
            "hot": (x + noise[0] > 0).astype(int),
            "wet": (z + noise[1] > 0.5).astype(int),
        }
    )


@pytest.fixture
def loop(tmp_path: Path) -> el.Loop:
    rng = np.random.default_rng(0)
    pl.concat([rows(rng, day, 50) for day in range(-6, 0)]).write_csv(tmp_path / "rows.csv")
    declared = {
        "loop": {"name": "weather"},
        "data": {"source": "rows.csv", "target": list(LABELS), "time": "t", "id": "id"},
        "train": {"candidates": ["logistic_regression"], "threshold": "metric"},
        "evaluate": {"gates": ["f1_micro >= 0.7", "f1_micro beats champion"]},
        "monitor": {"performance": {"labels_after": "0s"}},
    }
    made = el.declare(tmp_path, el.from_dict(declared).declaration)
    cycle = carry_out(made.project, made.run(wait=False))
    assert cycle.verdict == "promoted", cycle.reason
    return made


def test_a_world_that_turned_gets_one_new_model(loop: el.Loop) -> None:
    project, rng = loop.project, np.random.default_rng(1)
    predictions = SegmentWriter(project.state / "log/predictions", "p")
    feedback = SegmentWriter(project.state / "log/feedback", "f")
    model = PackagedModel(*project.package(project.champion("weather")))
    for day in range(8):
        frame = rows(rng, day, 300, turned=day > 0)
        answers = model.predictor.predict(frame.select("x", "z").to_numpy())
        at, ids = int(frame["t"].dt.epoch("ms").max()), frame["id"].to_list()
        record = PredictionRecord(
            at=at, request=ids[0], endpoint="weather", version=1, arm="champion", ids=ids,
            times=frame["t"].dt.epoch("ms").to_list(),
            columns={name: frame[name].to_list() for name in ("x", "z")},
            y=answers.y, p=answers.probabilities.tolist(), ms=1.0,
        )  # fmt: skip
        predictions.append(encode_record(record))
        true = [[n for n in LABELS if row[n]] for row in frame.to_dicts()]
        feedback.append(
            encode_record(FeedbackRecord(at=at, endpoint="weather", ids=ids, labels=true))
        )
    looked = look(project, project.cycles.declaration("weather"), actor="controller")
    schema = model.package.schema
    scored = scored_rows(project.log, "weather", schema, T0, T0 + DAY)
    assert scored.y.shape == scored.pred.shape == scored.proba.shape == (300, 2)
    assert (scored.y == scored.pred).mean() > 0.85
    (window,) = [w for w in project.windows.page("weather") if w.start == T0 + DAY]
    assert window.performance["metric"] == "f1_micro" and window.performance["worse"]
    assert looked.cycle is not None and looked.cycle.plan[0] == "probe"
    ended = carry_out(project, looked.cycle)
    assert ended.verdict == "promoted", ended.reason
    compared = project.cycles.step(ended.id, "evaluate").result["comparison"]
    assert compared["low"] > 0 and compared["test"] == "paired bootstrap"
    snapshot = project.cycles.step(ended.id, "snapshot").result
    assert snapshot["origin"]["log_rows"] == 2_400 and snapshot["rows"] == 300 + 2_400
    project.close()


def test_predictions_reports_and_a_second_training_agree(loop: el.Loop, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    new = rows(rng, 1, 50)
    answers = loop.predict(new)  # the labels may lie beside
    assert answers.columns == ["id", "y_pred", "probability of hot", "probability of wet"]
    said = {value for text in answers["y_pred"] for value in text.split(";")}
    assert said == {"", "hot", "wet"}
    (cycle,) = loop.project.cycles.page("weather")
    tested = loop.project.cycles.step(cycle.id, "evaluate").result
    report = read_report(loop.project.blobs.get(tested["report"]["report.json"]))
    assert [one.label for one in report.labels] == list(LABELS) and not report.left_out
    assert all(one.f1 > 0.8 and one.roc_auc > 0.9 for one in report.labels)
    assert b"Each label by itself" in loop.project.blobs.get(tested["report"]["report.html"])
    trained = loop.project.cycles.step(cycle.id, "train").result
    assert list(trained["prepared"]["threshold"]) == list(LABELS)
    again = carry_out(loop.project, loop.reproduce(trained["run"], wait=False))
    assert again.verdict == "reproduced", again.reason
    fresh = rows(rng, 2, 100).with_columns(wet=pl.lit(0))
    fresh.write_csv(tmp_path / "fresh.csv")
    refused = carry_out(loop.project, loop.update("fresh.csv", wait=False))
    assert refused.verdict == "refused" and "no row of the data has it" in (refused.reason or "")
    loop.project.close()


def test_a_label_that_no_training_row_has_is_refused(tmp_path: Path) -> None:
    frame = rows(np.random.default_rng(3), 0, 200).sort("wet").drop("t", "id")
    frame = frame.with_columns(wet=pl.Series([0] * 195 + [1] * 5))
    frame.write_csv(tmp_path / "rows.csv")
    declared = {
        "data": {"source": "rows.csv", "target": list(LABELS)},
        "evaluate": {"train_rows": 160},
    }
    loop = el.declare(tmp_path, el.from_dict(declared).declaration)
    ended = carry_out(loop.project, loop.run(wait=False))
    assert ended.verdict == "refused"
    assert "label 'wet': got <no row of the training rows has it>" in (ended.reason or "")
    loop.project.close()
