"""A schema that is pinned decides, at training as at serving."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from loop_stream import carry_out

from everloop.cli import everloop
from everloop.data.pinned import read_schema, schema_text
from everloop.errors import InvalidInput
from everloop.loop.checking import check, schema_of_data
from everloop.loop.loop import load

FILE = '[data]\nsource = "d.csv"\ntarget = "y"\n'
MODEL = '[train]\ncandidates = ["logistic_regression"]\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A loop whose data has a number and a category, with its schema pinned."""
    rng = np.random.default_rng(0)
    x, place = rng.normal(size=200), rng.choice(["north", "south"], 200)
    frame = pl.DataFrame({"x": x, "place": place, "y": x + rng.normal(size=200) > 0})
    frame.write_csv(tmp_path / "d.csv")
    (tmp_path / "everloop.toml").write_text(FILE + MODEL)
    out = str(tmp_path / "schema.toml")
    said = CliRunner().invoke(everloop, ["schema", "--dir", str(tmp_path), "--out", out])
    assert said.exit_code == 0, said.output
    (tmp_path / "everloop.toml").write_text(FILE + 'schema = "schema.toml"\n' + MODEL)
    return tmp_path


def test_it_is_written_and_read_back(folder: Path) -> None:
    schema = read_schema(folder / "schema.toml")
    assert schema == schema_of_data(folder)
    assert schema.names == ("x", "place")
    assert "The schema is that of schema.toml." in check(folder).notes


def test_the_pinned_one_is_trained_and_served(folder: Path) -> None:
    text = (folder / "schema.toml").read_text()
    assert '"south"' in text
    (folder / "schema.toml").write_text(text.replace('"south"', '"west"'))
    loop = load(folder / "everloop.toml")
    with loop.project as project:
        assert carry_out(project, loop.run(wait=False)).verdict == "promoted"
        package = project.package(project.champion(loop.name))[1]
    assert package.schema == read_schema(folder / "schema.toml")
    assert "west" in package.schema.features[1].levels


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (pl.lit(None).alias("extra"), "extra"),
        (pl.lit("much").alias("x"), "much"),
        (pl.lit("perhaps").alias("y"), "perhaps"),
    ],
)
def test_data_that_disagrees_is_refused(folder: Path, change: pl.Expr, part: str) -> None:
    pl.read_csv(folder / "d.csv").with_columns(change).write_csv(folder / "d.csv")
    with pytest.raises(InvalidInput, match=part):
        check(folder)


def test_what_is_no_schema(folder: Path) -> None:
    text = (folder / "schema.toml").read_text()
    (folder / "schema.toml").write_text(text.replace('target = "y"', 'target = "z"'))
    with pytest.raises(InvalidInput, match=r"data\.target: got 'y', expected 'z'"):
        check(folder)
    (folder / "schema.toml").write_text("target = 3")
    with pytest.raises(InvalidInput, match="expected a schema"):
        check(folder)
    (folder / "schema.toml").unlink()
    with pytest.raises(InvalidInput, match="everloop schema --out"):
        check(folder)


def test_a_schema_survives_its_text(folder: Path, tmp_path: Path) -> None:
    schema = read_schema(folder / "schema.toml")
    (tmp_path / "again.toml").write_text(schema_text(schema))
    assert read_schema(tmp_path / "again.toml") == schema
