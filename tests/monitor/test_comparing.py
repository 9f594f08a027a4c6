from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest

import everloop as el
from everloop.errors import InvalidInput
from everloop.monitor.comparing import Change, Comparison

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
