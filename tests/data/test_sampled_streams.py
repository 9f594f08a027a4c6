"""A table is surveyed, sampled and divided without being read whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from everloop.data.infer import infer_schema
from everloop.data.references import BLOCK
from everloop.data.spec import DataSpec
from everloop.data.splits import split
from everloop.data.splits.rule import split_rule
from everloop.data.streams import open_table, stream, survey
from everloop.data.streams.dividing import Blocks, cut_at_blocks, divide_stream
from everloop.data.streams.sampling import Sampler
from everloop.errors import InvalidInput

N = 6000
WRITE = {"csv": "csv", "parquet": "parquet", "jsonl": "ndjson", "arrow": "ipc"}


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    x, z, noise = rng.normal(size=(3, N))
    frame = pl.DataFrame({"x": x, "z": z, "place": rng.choice(["n", "s"], N), "at": range(N)})
    when = pl.datetime(2024, 1, 1) + pl.duration(minutes="at")
    return frame.with_columns(
        pl.when(pl.col("at") % 10 == 0).then(None).otherwise("z").alias("z"),
        y=pl.Series(x + 0.3 * noise > 0),
        when=when.dt.to_string("%Y-%m-%d %H:%M"),
    )


def in_batches(rows: pl.DataFrame, size: int = 700) -> list[pl.DataFrame]:
    return list(rows.iter_slices(size))


@pytest.mark.parametrize("ending", list(WRITE))
def test_batches_are_the_whole(rows: pl.DataFrame, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"rows.{ending}"
    getattr(rows, f"write_{WRITE[ending]}")(path)
    parts = list(stream(path.name, tmp_path, 500))
    assert max(part.height for part in parts) <= 500
    assert pl.concat(parts)["at"].to_list() == rows["at"].to_list()
    with pytest.raises(InvalidInput, match="a file that exists"):
        list(stream(f"other.{ending}", tmp_path))


def test_files_without_types_agree_on_them(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("code;n; k\n007;1;1\n008;2;2\n")
    (tmp_path / "b.csv").write_text("n; k;code\n3.5;3;009\n\n4;4;010\n")
    table = open_table("*.csv", tmp_path, text=["code"])
    found = survey(table.batches(table.parts()))
    assert found.rows == 4
    assert found.whole == ["k"]
    again = pl.concat(table.batches(table.parts(), found.whole))
    assert again.to_dict(as_series=False) == {
        "code": ["007", "008", "009", "010"],
        "n": [1.0, 2.0, 3.5, 4.0],
        "k": [1, 2, 3, 4],
    }
    (tmp_path / "c.csv").write_text("code;n;other\n1;2;3\n")
    with pytest.raises(InvalidInput, match=r"c\.csv: got <column 'k' is missing>"):
        list(table.batches(table.parts()))
    (tmp_path / "c.csv").write_text("code;n;k\n1;two;3\n")
    with pytest.raises(InvalidInput, match=r"data\.categories"):
        list(table.batches(table.parts()))


def test_a_survey_counts_all_rows_and_samples_fairly(rows: pl.DataFrame) -> None:
    found = survey(in_batches(rows), size=1000, seed=1, time="when")
    assert found.rows == N
    assert found.sample.height == 1000
    assert found.sample["at"].is_sorted()
    assert found.sample["at"].n_unique() == 1000
    assert abs(found.sample["at"].mean() - N / 2) < 4 * N / np.sqrt(12 * 1000)
    assert found.columns["z"].missing == N // 10
    assert found.columns["x"].mean == pytest.approx(rows["x"].mean())
    assert found.columns["x"].high == rows["x"].max()
    assert found.columns["x"].distinct == pytest.approx(N, rel=0.1)
    assert found.columns["place"].distinct == 2
    assert found.newest == 1_704_067_200_000 + (N - 1) * 60_000
    other = survey(in_batches(rows, 411), size=1000, seed=1)
    assert other.sample.equals(found.sample)  # however the rows come in batches
    small = survey([rows], size=100_000)
    assert small.sample.equals(rows)
    with pytest.raises(InvalidInput, match="at least one row"):
        survey([])


def test_a_rare_value_is_in_the_sample() -> None:
    frame = pl.DataFrame({"n": range(20_000)}).with_columns(
        kind=pl.when(pl.col("n") == 777).then(pl.lit("rare")).otherwise(pl.lit("usual"))
    )
    sampler = Sampler(50, 0, every="kind")
    for batch in in_batches(frame):
        sampler.add(batch)
    assert sampler.frame().height == 51
    assert 777 in sampler.frame()["n"]


def test_blocks_do_not_depend_on_batches() -> None:
    marked = np.random.default_rng(0).random(3 * BLOCK + 5) < 0.3
    one, many = Blocks(), Blocks()
    one.add(marked)
    for piece in np.array_split(marked, 11):
        many.add(piece)
    assert one.counts == many.counts
    assert sum(one.counts) == marked.sum()
    assert cut_at_blocks(BLOCK - 2, 5) == [(0, 2), (2, 5)]


@pytest.mark.parametrize(
    ("asked", "time"),
    [
        ({"holdout": 0.2}, None),
        ({"holdout": 0.2, "group_by": "place2"}, None),
        ({"holdout": 0.2, "how": "last"}, None),
        ({"holdout": 0.2, "train_rows": 4000}, None),
        ({"holdout": "1d"}, "when"),
        ({"holdout": 0.25, "gap": "2h"}, "when"),
    ],
)
def test_a_rule_divides_as_a_split_of_all_rows_does(rows, asked, time) -> None:
    frame = rows.drop("at").with_columns(place2=pl.Series(range(N)) // 7)
    if time is None:
        frame = frame.drop("when")
    spec = DataSpec(source="", target="y", time=time, ignore=("place2",))
    schema = infer_schema(frame, spec).schema
    whole = split(frame, schema, seed=3, **asked)
    newest = survey(in_batches(frame), time=time).newest
    sample = frame.sample(2000, seed=0) if time is None else frame
    rule = split_rule(sample, schema, N, newest, seed=3, **asked)
    sides = [
        rule.sides(batch, schema, at)
        for batch, at in zip(in_batches(frame), range(0, N, 700), strict=True)
    ]
    train, test = (np.flatnonzero(np.concatenate(side)) for side in zip(*sides, strict=True))
    assert test.tolist() == np.sort(whole.test).tolist()
    assert train.tolist() == np.sort(whole.train).tolist()


def test_what_needs_all_rows_at_once_is_refused(rows: pl.DataFrame) -> None:
    schema = infer_schema(rows, DataSpec(source="", target="y", time="when")).schema
    with pytest.raises(InvalidInput, match=r'evaluate\.split to "random"'):
        split_rule(rows, schema, N, 0, 0.2, 0, group_by="place")


def test_dividing_counts_and_keeps_of_both_sides(rows: pl.DataFrame) -> None:
    frame = rows.drop("when", "at")
    schema = infer_schema(frame, DataSpec(source="", target="y")).schema
    rule = split_rule(frame, schema, N, None, 0.2, 0)
    found = divide_stream(in_batches(frame), schema, rule, frame.columns, 500, 200, 0)
    assert (found.train.height, found.test.height) == (500, 200)
    assert found.train_rows + found.test_rows == N
    assert found.test_rows == pytest.approx(0.2 * N, rel=0.1)
    assert sum(found.blocks) == found.train_rows
    assert not found.ordered
    again = divide_stream(in_batches(frame, 97), schema, rule, frame.columns, 500, 200, 0)
    assert again.train.equals(found.train)
    by_target = in_batches(frame.sort("y"), 2000)
    assert divide_stream(by_target, schema, rule, frame.columns, 500, 200, 0).ordered
    unlabelled = frame.with_columns(y=pl.when(pl.int_range(N) == 1500).then(None).otherwise("y"))
    with pytest.raises(InvalidInput, match=r"row 101.*from row 1,401"):
        divide_stream(in_batches(unlabelled), schema, rule, frame.columns, 500, 200, 0)
