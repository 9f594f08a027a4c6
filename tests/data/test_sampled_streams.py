"""A table is surveyed and learned from without being read whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from everloop.data.encode import Examples, encode, encode_target
from everloop.data.infer import infer_schema
from everloop.data.spec import DataSpec
from everloop.data.streams import stream, survey
from everloop.errors import InvalidInput
from everloop.extensions import candidates
from everloop.train.incremental import fit_batches
from everloop.train.onnx import to_onnx

N = 6000


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    x, z, noise = rng.normal(size=(3, N))
    frame = pl.DataFrame({"x": x, "z": z, "place": rng.choice(["n", "s"], N), "at": range(N)})
    return frame.with_columns(
        pl.when(pl.col("at") % 10 == 0).then(None).otherwise("z").alias("z"),
        y=pl.Series(x + 0.3 * noise > 0),
    )


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl", "arrow"])
def test_batches_are_the_whole(rows: pl.DataFrame, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"rows.{ending}"
    write = {"csv": "csv", "parquet": "parquet", "jsonl": "ndjson", "arrow": "ipc"}[ending]
    getattr(rows, f"write_{write}")(path)
    parts = list(stream(path.name, tmp_path, 500))
    assert len(parts) > 1 or ending in ("parquet", "arrow")
    assert pl.concat(parts)["at"].to_list() == rows["at"].to_list()
    with pytest.raises(InvalidInput, match="a file that exists"):
        list(stream(f"other.{ending}", tmp_path))


def test_a_survey_counts_all_rows_and_samples_fairly(rows: pl.DataFrame) -> None:
    found = survey((rows[i : i + 700] for i in range(0, N, 700)), size=1000, seed=1)
    assert found.rows == N
    assert found.sample.height == 1000
    assert found.sample["at"].is_sorted()
    assert found.sample["at"].n_unique() == 1000
    assert abs(found.sample["at"].mean() - N / 2) < 4 * N / np.sqrt(12 * 1000)
    assert found.columns["z"].missing == N // 10
    assert found.columns["x"].mean == pytest.approx(rows["x"].mean())
    assert found.columns["x"].high == rows["x"].max()
    small = survey([rows], size=100_000)
    assert small.sample.equals(rows)
    with pytest.raises(InvalidInput, match="at least one row"):
        survey([])


@pytest.mark.parametrize("name", ["lightgbm"])
def test_training_in_batches_learns_and_is_exported(rows: pl.DataFrame, name: str) -> None:
    sample = rows.sample(500, seed=0)
    schema = infer_schema(sample, DataSpec(source="", target="y", ignore=("at",))).schema

    def examples(frame: pl.DataFrame) -> Examples:
        return Examples(encode(frame, schema), encode_target(frame, schema))

    one_class = rows.filter(pl.col("y")).head(200)
    parts = [rows[:2000], one_class, rows[2000:4000]]
    candidate = candidates.get(name)()
    params = candidate.defaults(500)
    estimator = fit_batches(candidate, schema, params, examples(sample), map(examples, parts), 0)
    held = examples(rows[4000:])
    assert (estimator.predict(held.X) == held.y).mean() > 0.85
    assert estimator[-1].booster_.num_trees() == 60
    assert to_onnx(estimator, schema, held.X[:100])
    with pytest.raises(InvalidInput, match="learns in batches"):
        fit_batches(candidates.get("random_forest")(), schema, {}, examples(sample), [], 0)
