from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import everloop as el
from everloop.errors import InvalidInput
from everloop.monitor.comparing import Change, Comparison
from everloop.monitor.summaries.table import profile_table, read_table_profile

N = 4_000


def rows(seed: int, n: int = N) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "x": rng.normal(size=n),
            "z": rng.normal(size=n),
            "c": rng.choice(["a", "b", "cc"], n, p=[0.5, 0.3, 0.2]),
            "b": rng.random(n) < 0.3,
            "id": [f"{seed}-{i}" for i in range(n)],
        }
    )


def found(comparison: Comparison, name: str) -> Change:
    return next(change for change in comparison.columns if change.name == name)


def test_nothing_changed() -> None:
    seen = el.compare(rows(0), rows(2))
    assert (seen.verdict, seen.drifted) == ("no drift", [])
    assert any(note.startswith("id is left out") for note in seen.notes)


def test_the_worst_comes_first_and_effects_are_told() -> None:
    now = rows(2).with_columns(pl.col("x") + 1.0, c=pl.col("c").replace({"a": "b"}))
    seen = el.compare(rows(0), now)
    assert seen.verdict == "drift"
    assert seen.drifted == ["c", "x"]
    assert seen.columns[0].effect > seen.columns[1].effect > 0.3
    assert len(seen.columns[1].before) == len(seen.columns[1].after) == 12


def test_tables_of_all_libraries_and_profiles_say_the_same(tmp_path: Path) -> None:
    before, now = rows(0), rows(2).with_columns(pl.col("x") + 0.5)
    before.write_csv(tmp_path / "before.csv")
    now.write_parquet(tmp_path / "now.parquet")
    el.profile(before).save(tmp_path / "before.json")
    relation = duckdb.sql("select * from now")
    pairs = [
        (before, now),
        (before.to_pandas(), now.to_pandas()),
        (before.to_arrow(), now.to_arrow()),
        (before.lazy(), relation),
        (str(tmp_path / "before.csv"), tmp_path / "now.parquet"),
        (tmp_path / "before.json", now),
    ]
    seen = [el.compare(*pair) for pair in pairs]
    assert [one.drifted for one in seen] == [["x"]] * len(pairs)
    effects = [found(one, "x").effect for one in seen]
    assert max(effects) - min(effects) < 0.02


@pytest.mark.parametrize("few", [0, 1, 5])
def test_a_few_rows_are_not_enough_evidence(few: int) -> None:
    for pair in ((rows(0), rows(2).head(few)), (rows(0).head(few), rows(2))):
        seen = el.compare(*pair)
        assert (seen.verdict, seen.drifted) == ("not enough evidence", [])
        assert el.compare(*map(el.profile, pair)).verdict == "not enough evidence"


def test_what_is_broken_is_named() -> None:
    now = rows(2).with_columns(
        x=pl.lit(None, pl.Float64), z=pl.col("z").cast(pl.String), new=pl.lit(1)
    )
    for pair in ((rows(0), now.drop("b")), (el.profile(rows(0)), el.profile(now.drop("b")))):
        seen = el.compare(*pair)
        assert seen.verdict == "broken"
        assert set(seen.drifted) == {"x", "z", "b"}
        assert found(seen, "b").check == "column"
        assert found(seen, "z").check == "type"
        assert found(seen, "x").check == "missing"
        assert any(note.startswith("new is new") for note in seen.notes)


def test_a_unit_an_infinite_and_a_constant_column() -> None:
    before = rows(0).with_columns(same=pl.lit(3.0))
    now = rows(2).with_columns(pl.col("z") * 1_000, x=pl.lit(np.inf), same=pl.lit(3.0))
    seen = el.compare(before, now)
    assert "1000" in found(seen, "z").summary
    assert found(seen, "x").check == "out_of_range"
    assert found(seen, "same").verdict in ("no drift", "not enough evidence")


def test_spans_and_times_of_day_are_compared() -> None:
    rng = np.random.default_rng(0)
    hours = pl.Series(rng.integers(0, 24, 500))
    before = pl.DataFrame({"took": pl.Series(rng.integers(1, 99, 500)), "at": hours}).with_columns(
        took=pl.duration(minutes="took"), at=pl.time(pl.col("at"))
    )
    now = before.with_columns(took=pl.col("took") + pl.duration(hours=9))
    assert el.compare(before, now).drifted == ["took"]
    assert el.compare(before, now.with_columns(at=pl.time(3), took=before["took"])).drifted == [
        "at"
    ]
    assert el.profile(before).sketches().features["took"].mean > 60  # type: ignore[union-attr]


def test_a_pandas_column_of_mixed_objects_is_text() -> None:
    mixed = pd.DataFrame({"m": [1, "x", None] * 50})
    assert el.compare(mixed, mixed).verdict == "no drift"


def test_the_page_stands_alone_and_escapes(tmp_path: Path) -> None:
    bad = {"<script>alert(1)</script>": ["<b>", "y"] * 50}
    seen = el.compare(pl.DataFrame(bad), pl.DataFrame(bad))
    page = seen.to_html(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text() == page
    assert "<script" not in page
    assert "<script" not in seen._repr_html_()
    assert "http" not in page.replace("http://www.w3.org", "")
    assert seen.to_dict()["verdict"] == "no drift"


@pytest.mark.parametrize("wrong", [3, None, object(), [1, 2]])
def test_what_is_no_table_is_refused(wrong: object) -> None:
    with pytest.raises(InvalidInput, match="a table"):
        el.compare(rows(0, 30), wrong)


def test_settings_are_checked() -> None:
    with pytest.raises(InvalidInput, match="level"):
        el.compare(rows(0, 30), rows(1, 30), level=5)
    with pytest.raises(InvalidInput, match="kolmogorov"):
        el.compare(rows(0), rows(2), tests=["kolmogorov"])


@pytest.mark.parametrize("levels", [50, 2_000])
@pytest.mark.parametrize("n", [100, 500, 3_000])
def test_a_long_tail_of_levels_is_no_change(levels: int, n: int) -> None:
    rng = np.random.default_rng(levels + n)
    share = 1 / np.arange(1, levels + 1)
    share /= share.sum()

    def draw() -> pl.DataFrame:
        return pl.DataFrame({"c": [f"v{i}" for i in rng.choice(levels, n, p=share)]})

    told = [el.compare(draw(), draw()).verdict for _ in range(10)]
    told += [el.compare(el.profile(draw()), el.profile(draw())).verdict for _ in range(5)]
    assert sum(verdict in ("drift", "broken") for verdict in told) <= 2
    if n == 3_000:
        other = draw().with_columns(pl.when(pl.int_range(n) % 2 == 0).then(pl.lit("w"))
                                    .otherwise("c").alias("c"))  # fmt: skip
        assert el.compare(draw(), other).verdict == "broken"


def test_a_column_of_unlike_ids_is_left_out() -> None:
    ids = [[f"{i:08x}-0000-4000-8000-{i * side:012x}" for i in range(500)] for side in (7, 9)]
    seen = el.compare(*(pl.DataFrame({"u": side}) for side in ids))
    assert (seen.verdict, len(seen.notes)) == ("not enough evidence", 1)


def test_records_maps_and_extension_types_are_compared() -> None:
    maps = pa.map_(pa.string(), pa.int64())

    def table(share: float) -> pa.Table:
        chosen = np.arange(400) < 400 * share
        return pa.table(
            {
                "record": pa.array([{"a": int(x), "b": None} for x in chosen]),
                "map": pa.array([[("k", int(x))] for x in chosen], maps),
            }
        )

    seen = el.compare(table(0.1), table(0.9))
    assert sorted(seen.drifted) == ["map", "record"]
    assert found(seen, "record").summary == '{"a":0,"b":null} 90.0% → 10.0%'
    saved = el.profile(pl.DataFrame(table(0.1))).columns
    assert [saved[name].summary.missing for name in ("record", "map")] == [0, 0]
    days = pd.DataFrame({"day": pd.period_range("2025", periods=400), "n": range(400)})
    assert el.compare(days, days).verdict == "no drift"


def test_what_a_database_cannot_give_is_refused() -> None:
    spans = duckdb.sql("select interval (range) seconds as x from range(30)")
    with pytest.raises(InvalidInput, match=r"reference: got <DuckDBPyRelation: could not import"):
        el.compare(spans, spans)
    failing = duckdb.sql("select cast(range as utinyint) as x from range(300)")
    with pytest.raises(InvalidInput, match=r"reference: got <DuckDBPyRelation: Conversion Error"):
        el.compare(failing, failing)


@pytest.mark.filterwarnings("error")
def test_numbers_at_the_edge_of_floats_raise_no_warning() -> None:
    wide = pl.DataFrame({"x": [1e308, -1e308, 1.7e308, 0.0] * 20})
    seen = el.compare(wide, wide)
    assert seen.verdict == "no drift" and "nan" not in seen.to_html()
    profiles = [el.profile(wide), read_table_profile(el.profile(wide).to_json())]
    assert el.compare(*profiles).verdict == "no drift"


@pytest.mark.parametrize("side", ["reference", "current", "both"])
def test_what_a_private_profile_does_not_name_is_not_compared(side: str) -> None:
    prose = ["the house is red and old", "a dog ran over the wide field", "she is at home today"]
    table = pl.DataFrame(
        {
            "x": range(600),
            "c": ["a", "b", "cc"] * 200,
            "b": [True, False] * 300,
            "t": [f"{text} and then {i} more came" for i, text in enumerate(prose * 200)],
        }
    )
    plain = profile_table(table)
    private = read_table_profile(plain.to_json(private=True))
    before = plain if side == "current" else private
    now = table if side == "reference" else private
    seen = el.compare(before, now)
    assert (seen.verdict, seen.drifted) == ("no drift", [])
    names = {change.name for change in seen.columns}
    assert "x" in names and not names & {"c", "b", "t (language)", "t (words)"}
    told = " ".join(seen.notes)
    for name in ("c", "b", "t (language)", "t (words)"):
        assert f"{name} is left out: its profile keeps no names." in told


@pytest.mark.parametrize("lazy", [False, True])
def test_only_columns_that_are_there_can_be_ignored(lazy: bool) -> None:
    before, now = rows(0, 200), rows(1, 200).with_columns(new=1)
    sides = (before.lazy(), now.lazy()) if lazy else (before, now)
    with pytest.raises(InvalidInput, match=r"ignore: got 'nwe', .*Did you mean \"new\""):
        el.compare(*sides, ignore=["nwe"])
    kept = {change.name for change in el.compare(*sides, ignore=["x", "new"]).columns}
    assert kept == {"z", "c", "b"}
    one = el.compare(before.rename({"x": "xz"}), now.rename({"x": "xz"}), ignore="xz")
    assert {change.name for change in one.columns} == {"z", "c", "b"}
