"""A loop whose rows stay where they are goes round as any other, and says what it did with them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from loop_stream import Traffic, carry_out, declaration, rows
from starlette.testclient import TestClient

from everloop.cli import everloop
from everloop.data.columns import as_instant
from everloop.errors import InvalidInput
from everloop.loop.cycles import Cycle
from everloop.loop.loop import Loop, declare, load
from everloop.loop.project import Project
from everloop.loop.watching import Looked
from everloop.server.app import create_app

DAYS = range(-10, 0)


def write_days(folder: Path, ending: str = "csv", n: int = 300) -> None:
    rng = np.random.default_rng(0)
    (folder / "days").mkdir(parents=True, exist_ok=True)
    for day in DAYS:
        frame = rows(rng, day, n, False, False)
        path = folder / "days" / f"{10 + day:02}.{ending}"
        frame.write_csv(path) if ending == "csv" else frame.write_parquet(path)


def staying(**sections) -> object:
    data = {"source": "days/*.csv", "stream": True, "sample": 500} | sections.pop("data", {})
    return declaration(data=data, **sections)


@pytest.fixture
def loop(tmp_path: Path) -> Loop:
    write_days(tmp_path)
    return declare(tmp_path, staying())


def test_a_cycle_copies_a_sample_and_fits_on_all_rows(loop: Loop) -> None:
    with loop.project as project:
        cycle = carry_out(project, loop.run(wait=False))
        assert cycle.verdict == "promoted", cycle.reason
        results = {s.step: s.result or {} for s in project.cycles.steps(cycle.id)}
        snapshot, train = results["snapshot"], results["train"]
        version = project.datasets.get(snapshot["dataset"])
        kept = project.datasets.load(version.digest)
        assert version.reference is not None
        assert (version.rows, snapshot["rows"]) == (3000, 3000)
        assert len(version.reference.parts) == len(DAYS)
        assert kept.height == 750  # 500 of the rows that train, 250 of those that test
        assert version.statistics["x"].missing == 0
        assert version.statistics["id"].distinct == pytest.approx(3000, rel=0.1)
        assert snapshot["split"].startswith("the rows from 2012-12-30")  # the newest fifth
        assert version.reference.train_rows == pytest.approx(2400, rel=0.05)
        assert train["streamed"]["rows"] == version.reference.train_rows
        assert f"500 of {version.reference.train_rows:,} training rows" in snapshot["notes"][0]
        asked = Loop(project, project.cycles.declaration("flow"))
        again = carry_out(project, asked.reproduce(train["run"], wait=False))
        assert again.verdict == "reproduced", again.reason


def test_command_line_api_and_console_show_the_reference(tmp_path: Path) -> None:
    write_days(tmp_path, "parquet")
    text = (
        '[loop]\nname = "flow"\n[data]\nsource = "days/*.parquet"\ntarget = "y"\ntime = "t"\n'
        'id = "id"\nstream = true\nsample = 500\n[train]\ncandidates = ["decision_tree"]\n'
    )
    (tmp_path / "everloop.toml").write_text(text)
    said = CliRunner().invoke(everloop, ["check", "--dir", str(tmp_path)])
    assert "500 of 3,000 were looked at" in " ".join(said.output.split())
    said = CliRunner().invoke(everloop, ["run", "--dir", str(tmp_path)])
    words = " ".join(said.output.split())
    assert said.exit_code == 0, said.output
    assert "3,000 rows by reference (10 parts)" in words
    assert "decision_tree was fitted on a sample of 500 of 2," in words
    with Project.open(tmp_path) as project:
        cycle = project.cycles.page("flow")[0]
        result = project.cycles.step(cycle.id, "snapshot").result
        app = create_app(project, serve_url="http://127.0.0.1:9")
        client = TestClient(app, base_url="http://127.0.0.1:5050")
        got = client.get(f"/api/v1/datasets/{result['dataset']}").json()
        assert got["reference"]["kept_train"] == 500
        assert got["reference"]["parts"][0]["address"] == "days/00.parquet"
        page = client.get(f"/cycles/{cycle.id}").text
        assert '<span class="badge">reference</span>' in page
        assert "10 parts" in page


def test_files_that_change_between_two_steps_end_the_cycle_with_a_sentence(loop: Loop) -> None:
    with loop.project as project:
        first = carry_out(project, loop.run(wait=False))
        run = project.cycles.step(first.id, "train").result["run"]
        path = project.dir / "days" / "04.csv"
        os.utime(path)  # touched, not changed
        loop = Loop(project, project.cycles.declaration("flow"))
        assert carry_out(project, loop.reproduce(run, wait=False)).verdict == "reproduced"
        path.write_text(path.read_text() + path.read_text().splitlines()[1] + "\n")
        again = carry_out(project, loop.reproduce(run, wait=False))
        assert again.verdict == "failed"
        assert "days/04.csv has changed since its rows were referred to" in again.reason


def test_labelled_predictions_train_beside_the_rows_that_stay(loop: Loop) -> None:
    with loop.project as project:
        carry_out(project, loop.run(wait=False))
        Traffic(project).day(0)
        project.log.ship()
        loop = Loop(project, project.cycles.declaration("flow"))
        second = carry_out(project, loop.run(wait=False))
        result = project.cycles.step(second.id, "snapshot").result
        version = project.datasets.get(result["dataset"])
        assert version.reference.added == 400
        assert (version.rows, result["origin"]["log_rows"]) == (3400, 400)
        assert result["origin"]["source_rows"] == 3000
        # The newest rows test, and those of the log are the newest.
        kept = project.datasets.load(version.digest, 500, 250)
        assert as_instant(kept["t"]).dt.epoch("ms").max() == result["until"]


def test_memory_alone_decides_when_nothing_is_told(tmp_path: Path) -> None:
    write_days(tmp_path)
    (tmp_path / "everloop.toml").write_text(
        '[loop]\nname = "flow"\n[data]\nsource = "days/*.csv"\ntarget = "y"\n'
        '[train]\ncandidates = ["lightgbm"]\n[settings]\nmemory = "100KB"\n'
    )
    loop = load(tmp_path)
    with loop.project as project:
        cycle = carry_out(project, loop.run(wait=False))
        train = project.cycles.step(cycle.id, "train").result
        assert train["streamed"]["rows"] == train["streamed"]["of"] > 2000
        with pytest.raises(InvalidInput, match=r"rows .* stay where they are"):
            raise InvalidInput(_ended(project, loop.update("days/00.csv", wait=False)).reason)


def _ended(project: Project, cycle: Cycle | Looked) -> Cycle:
    assert isinstance(cycle, Cycle)
    return carry_out(project, cycle)


def test_train_of_a_large_file_is_by_reference(tmp_path: Path) -> None:
    write_days(tmp_path)
    (tmp_path / "p").mkdir()
    said = CliRunner().invoke(
        everloop,
        ["train", str(tmp_path / "days" / "00.csv"), "--dir", str(tmp_path / "p"), "--json"],
        env={"EVERLOOP_MEMORY": "10KB"},
    )
    assert said.exit_code == 0, said.output
    assert json.loads(said.stdout)["steps"][0]["result"]["referred"]["parts"] == 1
