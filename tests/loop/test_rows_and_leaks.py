"""A leak is said by ``everloop check`` and in the snapshot of a cycle."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from loop_stream import carry_out

from everloop.cli import everloop
from everloop.errors import InvalidInput
from everloop.loop.checking import check
from everloop.loop.loop import load

FILE = '[data]\nsource = "d.csv"\ntarget = "y"\n[train]\ncandidates = ["logistic_regression"]\n'


@pytest.fixture
def leaky(tmp_path: Path) -> Path:
    """A folder whose data carries its target twice."""
    x = np.random.default_rng(0).normal(size=200)
    frame = pl.DataFrame({"x": x, "y": x > 0.1, "paid": np.where(x > 0.1, "no", "yes")})
    frame = frame.with_columns(x=pl.col("x") + np.random.default_rng(1).normal(size=200))
    frame.write_csv(tmp_path / "d.csv")
    (tmp_path / "everloop.toml").write_text(FILE)
    return tmp_path


def test_check_names_the_column(leaky: Path) -> None:
    [leak] = check(leaky).leaks
    assert (leak.check, leak.column) == ("target_copy", "paid")
    said = CliRunner().invoke(everloop, ["check", "--dir", str(leaky)])
    assert said.exit_code == 0, said.output
    assert 'leak: Column "paid" copies the target "y"' in " ".join(said.output.split())
    said = CliRunner().invoke(everloop, ["check", "--dir", str(leaky), "--json"])
    assert msgspec.json.decode(said.stdout)["leaks"][0]["column"] == "paid"


def test_the_snapshot_keeps_what_was_found(leaky: Path) -> None:
    loop = load(leaky / "everloop.toml")
    with loop.project as project:
        cycle = carry_out(project, loop.run(wait=False))
        assert cycle.verdict == "promoted"
        result = project.cycles.step(cycle.id, "snapshot").result
    assert result["leaks"][0]["check"] == "target_copy"
    assert any('copies the target "y"' in note for note in result["notes"])


def test_a_group_is_kept_whole_and_kept_for_later(leaky: Path) -> None:
    frame = pl.read_csv(leaky / "d.csv").with_columns(site=pl.int_range(200) % 20).drop("paid")
    frame.write_csv(leaky / "d.csv")
    (leaky / "everloop.toml").write_text(
        FILE.replace("[train]", 'ignore = ["site"]\n[train]') + '[evaluate]\ngroup_by = "site"\n'
    )
    loop = load(leaky / "everloop.toml")
    with loop.project as project:
        cycle = carry_out(project, loop.run(wait=False))
        result = project.cycles.step(cycle.id, "snapshot").result
        kept = project.datasets.load(result["dataset"])
        assert result["split"].endswith("whole site")
        train = kept.head(result["train_rows"])["site"].to_list()
        assert not set(train) & set(kept.tail(result["test_rows"])["site"].to_list())
        frame.with_columns(pl.col("x") + 0.01).write_csv(leaky / "more.csv")
        more = carry_out(project, loop.update("more.csv", wait=False))
        assert more.reason  # a column that is ignored need not stand in its way


def test_a_gap_needs_a_time(leaky: Path) -> None:
    (leaky / "everloop.toml").write_text(FILE + '[evaluate]\ngap = "1d"\n')
    with pytest.raises(InvalidInput, match="no gap where the rows are not divided"):
        check(leaky)


def test_held_out_rows_of_one_class_are_a_sentence(tmp_path: Path) -> None:
    """One row of a class is in one side only, and no ranking can be scored on the other."""
    x = np.random.default_rng(0).normal(size=300)
    pl.DataFrame({"x": x, "y": [1] + [0] * 299}).write_csv(tmp_path / "d.csv")
    (tmp_path / "everloop.toml").write_text(FILE)
    loop = load(tmp_path / "everloop.toml")
    with loop.project as project:
        cycle = carry_out(project, loop.run(wait=False))
    assert cycle.verdict == "refused" and cycle.reason is not None
    assert "evaluate.metric: got 'roc_auc', expected a metric that can score" in cycle.reason
