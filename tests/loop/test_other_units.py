"""Rows in another unit than the champion learned train no model, however well they test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cycling import running
from everloop.loop.cycles import Cycle
from everloop.loop.loop import Loop, load
from everloop.loop.project import Project

LOOP = """
[loop]
name = "weights"
[data]
source = "data.parquet"
target = "y"
time = "at"
stream = {stream}
new_units = [{accepted}]
[train]
candidates = ["logistic_regression"]
[evaluate]
gates = ["roc_auc >= 0.6"]
"""


def rows(days: range, grams: bool = False) -> pl.DataFrame:
    rng = np.random.default_rng(days.start)
    n = 300 * len(days)
    weight, height = rng.gamma(4, 20, n), rng.normal(size=n)
    at = np.repeat(np.array(list(days)) * 86_400_000, 300) + np.tile(
        np.arange(300) * 1000, len(days)
    )
    return pl.DataFrame(
        {
            "at": pl.Series(at).cast(pl.Datetime("ms")),
            "weight": weight * (1000 if grams else 1),
            "height": height,
            "y": (weight / 40 - 2 + height + rng.normal(size=n) > 0).astype(int),
        }
    )


@pytest.fixture(params=["false", "true"], ids=["kept", "by reference"])
def stream(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def write(folder: Path, frame: pl.DataFrame, stream: str, accepted: str = "") -> None:
    (folder / "everloop.toml").write_text(LOOP.format(stream=stream, accepted=accepted))
    frame.write_parquet(folder / "data.parquet")


def cycle(folder: Path) -> Cycle:
    with Project.open(folder) as project, running(project) as engine:
        loop = load(folder)
        begun = Loop(project, loop.declaration).run(wait=False)
        return engine.wait(begun.id)


def test_a_source_in_another_unit_is_refused_until_a_person_says_that_it_is_meant(
    tmp_path: Path, stream: str
) -> None:
    write(tmp_path, rows(range(4)), stream)
    assert cycle(tmp_path).verdict == "promoted"

    write(tmp_path, rows(range(6)), stream)  # more rows in the same unit
    assert cycle(tmp_path).verdict != "refused"

    write(tmp_path, pl.concat([rows(range(6)), rows(range(6, 8), grams=True)]), stream)
    refused = cycle(tmp_path)
    assert refused.verdict == "refused"
    for word in ('column "weight"', "multiplied by 1000", "data.new_units"):
        assert word in str(refused.reason), refused.reason

    write(tmp_path, rows(range(8), grams=True), stream)
    assert cycle(tmp_path).verdict == "refused"

    write(tmp_path, rows(range(8), grams=True), stream, '"weight"')
    assert cycle(tmp_path).verdict != "refused"


def test_a_column_that_is_not_there_has_no_unit(tmp_path: Path) -> None:
    write(tmp_path, rows(range(4)), "false", '"wieght"')
    found = cycle(tmp_path)
    assert found.verdict == "refused" and 'Did you mean "weight"' in str(found.reason)
