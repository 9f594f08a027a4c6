"""A project moves out: into MLflow's tables with every id, and to a server that gives its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from mlflow_made import FILES, MODEL, RUNS, Made
from moving_server import served

from everloop.errors import InvalidInput
from everloop.loop.moving import export_mlflow, import_mlflow
from everloop.loop.project import Project
from everloop.tracking.moving.importing import Imported


def differing(done: Imported) -> list[str]:
    return [line.kind for line in done.lines if not line.equal]


def checksums(done: Imported) -> dict[str, str]:
    kept = ("runs", "params", "tags", "metric points", "latest metrics", "versions", "aliases")
    return {line.kind: line.our_checksum for line in done.lines if line.kind in kept}


def test_there_and_back_is_the_same(mlflow: Made, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    came = import_mlflow(mlflow.url, first)
    empty = Made(tmp_path / "other")
    went = export_mlflow(empty.url, first)
    assert differing(went) == []
    before = (tmp_path / "other" / "mlflow.db").read_bytes()
    assert export_mlflow(empty.url, first).lines == went.lines  # again changes nothing
    assert (tmp_path / "other" / "mlflow.db").read_bytes() == before
    assert (tmp_path / "other" / "mlartifacts" / "1" / RUNS[0] / "artifacts/files/a.txt").exists()
    back = import_mlflow(empty.url, second)
    assert differing(back) == []
    assert checksums(back) == checksums(came) == checksums(went)


def test_tables_that_are_missing_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = f"sqlite:///{tmp_path}/new.db"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InvalidInput, match="mlflow, which makes them, is not installed") as caught:
        export_mlflow(target, tmp_path)
    assert "mlflow db upgrade" in str(caught.value.fix)
    assert not (tmp_path / "new.db").exists()


def test_mlflow_makes_the_tables_that_are_missing(tmp_path: Path) -> None:
    target, store = f"sqlite:///{tmp_path}/new.db", tmp_path / "store"
    with Project.open(store) as project:
        project.runs.log_params(project.runs.create(0, name="first").id, {"lr": "0.1"})
    assert differing(export_mlflow(target, store)) == []
    code = (
        "import mlflow, sys\n"
        "mlflow.set_tracking_uri(sys.argv[1])\n"
        "(run,) = mlflow.search_runs(['0'], output_format='list')\n"
        "print(run.info.run_name, run.data.params)"
    )
    asked = [sys.executable, "-W", "ignore", "-c", code, target]
    read = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert read.stdout == "first {'lr': '0.1'}\n"


def test_what_a_server_refuses_is_told(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    with Project.open(first) as project:
        run = project.runs.create(0).id
        project.runs.log_tags(run, {"good": "1", "what's this?": "2"})
    with served(second) as url:
        done = export_mlflow(url, first)
    assert differing(done) == ["tags"]
    assert any(run in note and "Names may only" in note for note in done.notes)


def test_a_server_is_read_and_written(mlflow: Made, tmp_path: Path) -> None:
    """Over HTTP out of one everloop into another, which speaks MLflow's protocol, and back."""
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    for folder in (first, second, third):
        folder.mkdir()
    import_mlflow(mlflow.url, first)
    with served(second) as url:
        went = export_mlflow(url, first)
        assert differing(went) == []
        assert differing(export_mlflow(url, first)) == []
        back = import_mlflow(url, third)
        assert differing(back) == []
        asked = {"experiment_ids": ["1"], "filter": f"tags.`everloop.run_id` = '{RUNS[0]}'"}
        found = httpx.post(f"{url}/api/2.0/mlflow/runs/search", json=asked).json()["runs"]
    assert len(found) == 1
    id = found[0]["info"]["run_id"]
    assert id != RUNS[0]
    with Project.open(third) as project:
        run = project.runs.get(id)
        assert run.params == {"lr": "0.1"} and len(project.runs.history(id, "loss").items) == 50
        assert project.inputs.of([run])[id].models[0].step == 4
        paths = [entry.path for entry in project.artifacts.walk(f"1/{id}/artifacts")]
        assert len(paths) == len(FILES)
        version = project.registry.version("reg", 1)
        assert version.run == id and version.source == f"{run.location}/files"
        model = project.registry.version("reg", 2).logged_model
        assert model != MODEL
        assert project.logged_models.get(str(model)).tags["everloop.model_id"] == MODEL
