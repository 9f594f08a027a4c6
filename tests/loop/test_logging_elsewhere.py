"""Predictions that something else served: a table and MLflow's inference table in the log."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from loop_stream import T0

import everloop as el
from everloop.data.schema import Feature, Schema
from everloop.errors import EverloopError
from everloop.monitor.foreign import Columns, from_inference_table, log_rows

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
    rows = table().with_columns(
        t=pl.Series([T0, T0 + 10**12, None, T0]), said=pl.Series([True, True, True, None])
    )
    part, counted = log_rows(rows, COLUMNS, SCHEMA, 3, T0)
    assert (counted.rows, counted.new, counted.future, counted.empty) == (4, 1, 1, 2)
    (row,) = part.to_dicts()
    assert (row["id"], row["time"], row["version"], row["y"]) == ("0", T0, 3, True)
    assert (row["p"], row["x.x"], row["x.z"]) == ([0.25, 0.75], 0.5, 1.5)
    with pytest.raises(EverloopError, match="prediction: got 'sad'"):
        log_rows(rows, Columns(id="row", prediction="sad"), SCHEMA, 3, T0)


def test_an_inference_table_becomes_the_same() -> None:
    asked = [
        {"dataframe_split": {"columns": ["x", "z"], "data": [[1, 2], [3, 4]]}},
        {"dataframe_records": [{"x": 1, "z": 2, "id": "own"}]},
        {"instances": [[1, 2]]},
        {"inputs": {"x": [1], "z": [2]}},
    ]
    rows = pl.DataFrame(
        {
            "databricks_request_id": ["a", "b", "c", "d", "e", "f"],
            "timestamp_ms": [T0] * 6,
            "status_code": [200, 200, 200, 200, 500, 200],
            "request": [*map(json.dumps, asked), "{}", "no json"],
            "response": [json.dumps({"predictions": [True] * n}) for n in (2, 1, 1, 1, 0, 0)],
        }
    )
    found, columns = from_inference_table(rows, SCHEMA)
    part, counted = log_rows(found, columns, SCHEMA, 1, T0)
    assert part["id"].to_list() == ["a-0", "a-1", "own", "c", "d"]
    assert part["x.x"].to_list() == [1, 3, 1, 1, 1] and counted.new == 5
    shares = rows[3:4].with_columns(response=pl.lit('{"predictions": [0.75]}'))
    part, _ = log_rows(*from_inference_table(shares, SCHEMA), SCHEMA, 1, T0)
    assert (part["y"].to_list(), part["p"].to_list()) == ([True], [[0.25, 0.75]])
    none, columns = from_inference_table(rows[4:], SCHEMA)
    assert none.height == 0


def test_it_is_logged_once(folder: Path) -> None:
    named = {"id": "row", "prediction": "said", "probability": "p", "features": {"z": "zed"}}
    with pytest.raises(EverloopError, match="probability: got None"):
        el.log_predictions(table(), dir=folder, **{**named, "probability": ""})
    path = folder / "served.parquet"
    table(300).write_parquet(path)
    assert el.log_predictions(path, dir=folder, **named).new == 300
    assert el.log_predictions(path, dir=folder, **named).repeated == 300
    assert el.log_predictions(table(310), dir=folder, **named).new == 310  # it has grown
    with el.Project.open(folder) as project:
        rows = project.log.predictions("flow", T0, T0 + 1_000)
        assert rows.height == 310 and rows["x"].to_list() == [0.5] * 310
