"""Predictions that something else served: a table and MLflow's inference table in the log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from loop_stream import T0, rows

import everloop as el
from everloop.data.schema import Feature, Schema
from everloop.errors import EverloopError, InvalidInput
from everloop.loop.loop import Loop
from everloop.monitor.answers import ScoredRows, Scoring, as_told
from everloop.monitor.foreign import Columns, from_inference_table, log_rows
from everloop.monitor.gauges import Gauge, Interval
from everloop.monitor.judging import Judging
from everloop.monitor.performance import Baseline
from everloop.monitor.spec import MonitorSpec

SCHEMA = Schema(
    features=(Feature("x", "number"), Feature("z", "number")),
    target="y",
    task="binary",
    classes=(False, True),
    id="id",
    time="t",
)


def table(n: int = 4) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "row": [str(i) for i in range(n)],
            "t": [T0 + i for i in range(n)],
            "x": [0.5] * n,
            "zed": [1.5] * n,
            "said": [True] * n,
            "p": [0.75] * n,
        }
    )


COLUMNS = Columns(id="row", prediction="said", probability="p", features={"z": "zed"})


def test_a_table_becomes_rows_of_the_log() -> None:
    given = table().with_columns(
        t=pl.Series([T0, T0 + 10**12, None, T0]), said=pl.Series([True, True, True, None])
    )
    part, counted = log_rows(given, COLUMNS, SCHEMA, 3, T0)
    assert (counted.rows, counted.new, counted.future, counted.empty) == (4, 1, 1, 2)
    (row,) = part.to_dicts()
    assert (row["id"], row["time"], row["version"], row["y"]) == ("0", T0, 3, True)
    assert (row["p"], row["x.x"], row["x.z"]) == ([0.25, 0.75], 0.5, 1.5)
    with pytest.raises(EverloopError, match="prediction: got 'sad'"):
        log_rows(given, Columns(id="row", prediction="sad"), SCHEMA, 3, T0)


def test_who_sent_a_row_is_kept_where_it_is_named() -> None:
    given = table().with_columns(client=pl.Series([1, 2, None, 2]), other=pl.lit("secret"))
    named = msgspec.structs.replace(COLUMNS, senders=("client", "zed", "x"))
    part, _ = log_rows(given, named, SCHEMA, 3, T0 + 10)
    assert part["x.client"].to_list() == ["1", "2", None, "2"]
    assert part["x.x"].to_list() == [0.5] * 4  # a feature stays as it is
    assert "x.other" not in part.columns
    with pytest.raises(EverloopError, match=r'senders: got .clint., .* Did you mean "client"'):
        log_rows(given, msgspec.structs.replace(named, senders=("clint",)), SCHEMA, 3, T0)
    answered = {
        "request": ['{"instances": [[1, 2]]}'], "response": ['{"predictions": [true]}'],
        "timestamp_ms": [T0], "client_request_id": ["a"], "client": ["web"],
    }  # fmt: skip
    rows = from_inference_table(pl.DataFrame(answered), SCHEMA, Columns(senders=("client",)))
    part, _ = log_rows(*rows, SCHEMA, 3, T0 + 10)
    assert part["x.client"].to_list() == ["web"]


def test_an_inference_table_becomes_the_same() -> None:
    asked = [
        {"dataframe_split": {"columns": ["x", "z"], "data": [[1, 2], [3, 4]]}},
        {"dataframe_records": [{"x": 1, "z": 2, "id": "own"}]},
        {"instances": [[1, 2]]},
        {"inputs": {"x": [1], "z": [2]}},
    ]
    asking = pl.DataFrame(
        {
            "databricks_request_id": ["a", "b", "c", "d", "e", "f"],
            "timestamp_ms": [T0] * 6,
            "status_code": [200, 200, 200, 200, 500, 200],
            "request": [*map(json.dumps, asked), "{}", "no json"],
            "response": [json.dumps({"predictions": [True] * n}) for n in (2, 1, 1, 1, 0, 0)],
        }
    )
    found, columns = from_inference_table(asking, SCHEMA)
    part, counted = log_rows(found, columns, SCHEMA, 1, T0)
    assert part["id"].to_list() == ["a-0", "a-1", "own", "c", "d"]
    assert part["x.x"].to_list() == [1, 3, 1, 1, 1] and counted.new == 5
    shares = asking[3:4].with_columns(response=pl.lit('{"predictions": [0.75]}'))
    part, _ = log_rows(*from_inference_table(shares, SCHEMA), SCHEMA, 1, T0)
    assert (part["y"].to_list(), part["p"].to_list()) == ([True], [[0.25, 0.75]])
    none, columns = from_inference_table(asking[4:], SCHEMA)
    assert none.height == 0


def test_it_is_logged_once(folder: Path) -> None:
    named = {"id": "row", "prediction": "said", "probability": "p", "features": {"z": "zed"}}
    path = folder / "served.parquet"
    table(300).write_parquet(path)
    assert el.log_predictions(path, dir=folder, **named).new == 300
    assert el.log_predictions(path, dir=folder, **named).repeated == 300
    assert el.log_predictions(table(310), dir=folder, **named).new == 310  # it has grown
    with el.Project.open(folder) as project:
        found = project.log.predictions("flow", T0, T0 + 1_000)
        assert found.height == 310 and found["x"].to_list() == [0.5] * 310


def test_classes_without_probabilities_are_compared_by_their_features(folder: Path) -> None:
    rng = np.random.default_rng(0)
    day = rows(rng, 0, 300, False, False).rename({"y": "prediction"})
    el.log_predictions(pl.concat([day, rows(rng, 1, 1, False, False).rename({"y": "prediction"})],
                                 how="diagonal"), dir=folder)  # fmt: skip
    el.feedback(day.select("id", label="prediction"), dir=folder)
    with el.Project.open(folder) as project:
        loop = Loop(project, project.cycles.declaration("flow"))
        loop.monitor()
        (window,) = loop.windows()
    assert window.rows == 300 and window.checks["drift"]
    assert "(prediction)" not in window.checks["drift"] and not window.drifting
    assert window.performance is not None and window.performance["value"] == 1.0


def test_a_score_that_needs_probabilities_gives_way_to_one_that_does_not() -> None:
    def accuracy(y: Any, pred: Any, proba: Any) -> float:
        return float((y == pred).mean())

    def loss(y: Any, pred: Any, proba: Any) -> float:
        return float(proba[:, 0].sum())

    gauges = (
        Gauge("log_loss", loss, False, (0, None), Interval(0.1, 0.1, 0.1), True),
        Gauge("accuracy", accuracy, tested=Interval(0.9, 0.8, 0.95)),
    )
    scoring = Scoring(
        log=None, schema=SCHEMA, spec=MonitorSpec(), scores=lambda _: lambda *_: 0.0,  # type: ignore[arg-type]
        judging=Judging(gauges),
    )  # fmt: skip
    y = np.array([0, 1, 1, 0])
    tested = Baseline("log_loss", -0.1, -0.1, -0.1)
    bare = ScoredRows(pl.DataFrame(), y, 1 - y, None)
    baseline, score = as_told(scoring, tested, bare)
    assert (baseline.metric, baseline.value, baseline.high) == ("accuracy", 0.9, 0.95)
    assert score(y, 1 - y, None) == 0.0
    assert np.isnan(gauges[0].value(y, y, None))
    assert as_told(scoring, tested, bare._replace(proba=np.ones((4, 2))))[0] is tested


def test_an_inference_table_may_name_its_id_and_time() -> None:
    table = pl.DataFrame(
        {
            "request": ['{"dataframe_records": [{"x": 1.0}]}'],
            "response": ['{"predictions": ["no"]}'],
            "call": ["c-1"],
            "when": [T0],
        }
    )
    found, columns = from_inference_table(table, SCHEMA, Columns(id="call", time="when"))
    assert (found["(id)"][0], found["(time)"][0]) == ("c-1", T0)
    assert columns.id == "(id)"
    for wrong in (table.drop("response"), table.rename({"when": "then"})):
        with pytest.raises(InvalidInput, match=r"expected one of the columns request"):
            from_inference_table(wrong, SCHEMA, Columns(time="when"))


@pytest.mark.parametrize("wrong", [50.0, -1.0, float("inf"), [0.5], [0.5, 7.0]])
def test_what_is_no_probability_is_refused(wrong: Any) -> None:
    table = pl.DataFrame(
        {"id": ["a"], "time": [T0], "x": [1.0], "prediction": ["no"], "p": [wrong]}
    )
    with pytest.raises(InvalidInput, match=r"probability: got .*from 0 to 1"):
        log_rows(table, Columns(id="id", time="time", probability="p"), SCHEMA, 1, T0)
