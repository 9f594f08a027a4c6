"""An MLflow moves in: all of it, again without a change, after a kill, and differences show."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest
import sqlalchemy as sa
from mlflow_made import AT, FILES, MODEL, RUNS, Made, made, make_folder, write_files

from everloop.errors import Conflict, InvalidInput, Unavailable
from everloop.loop.moving import export_mlflow, import_mlflow
from everloop.loop.project import Project
from everloop.settings import Settings
from everloop.store.database import Database
from everloop.store.tables import metadata
from everloop.tracking.moving.importing import Imported


def opened(tmp_path: Path, url: str) -> Project:
    return Project.open(tmp_path / "project", Settings(database_url=url))


def differing(done: Imported) -> list[str]:
    return [line.kind for line in done.lines if not line.equal]


def rows(url: str) -> dict[str, list[Any]]:
    """All that a database holds."""
    db = Database(url)
    with db.read() as conn:
        found = {
            name: sorted(map(repr, conn.execute(sa.select(table))))
            for name, table in metadata.tables.items()
        }
    db.close()
    return found


def test_everything_comes(mlflow: Made, move: Any, database_url: str, tmp_path: Path) -> None:
    done = move(mlflow.url)
    assert differing(done) == []
    counts = {line.kind: line.ours for line in done.lines}
    assert counts["runs"] == 4 and counts["metric points"] == 55 and counts["artifacts"] == 4
    assert counts["versions"] == 2 and counts["aliases"] == 2 and counts["datasets"] == 1
    with opened(tmp_path, database_url) as project:
        run = project.runs.get(RUNS[0])
        assert (run.experiment_id, run.name, run.user, run.started) == (1, "run a", "ann", AT + 97)
        assert run.params == {"lr": "0.1"} and run.tags == {"its key": "жу'к"}
        assert run.metrics["loss"].value == 0.02 and math.isnan(run.metrics["odd"].value)
        odd = project.runs.history(RUNS[0], "odd").items
        assert [p.step for p in odd] == [-3, -2, -1, 0] and odd[2].value == -1e-300
        assert project.inputs.of([run])[RUNS[0]].datasets[0].tags == {
            "mlflow.data.context": "train"
        }
        model = project.logged_models.get(MODEL)
        assert (model.status, model.run, model.metrics[0].dataset_name) == ("READY", RUNS[0], "d")
        place = f"1/{RUNS[0]}/artifacts"
        assert run.location == f"mlflow-artifacts:/{place}"
        for path, data in FILES.items():
            assert b"".join(project.artifacts.read(f"{place}/{path}")) == data
        first = project.registry.version("reg", 1)
        assert first.source == f"mlflow-artifacts:/{place}/files" and first.stage == "Production"
        assert project.registry.version("reg", 2).logged_model == MODEL
        # The number of a version that was deleted there is not given again here.
        new = project.registry.create_version("reg", source="s", actor="test")
        assert new.version == 5
        assert project.experiments.create("next").id == 3


def test_what_was_deleted_is_deleted_and_comes_back_together(
    mlflow: Made, move: Any, database_url: str, tmp_path: Path
) -> None:
    move(mlflow.url)
    with opened(tmp_path, database_url) as project:
        assert project.runs.get(RUNS[2]).deleted == AT + 900
        assert project.experiments.get(2).deleted == AT + 7
        project.experiments.restore(2, "test")
        assert project.runs.get(RUNS[3]).deleted is None


def test_again_changes_nothing(mlflow: Made, move: Any, database_url: str) -> None:
    first = move(mlflow.url)
    before = rows(database_url)
    assert move(mlflow.url).lines == first.lines
    assert rows(database_url) == before
    move(mlflow.url, checksums=False)
    assert rows(database_url) == before


def test_what_came_meanwhile_comes_with_the_next_import(
    mlflow: Made, move: Any, database_url: str, tmp_path: Path
) -> None:
    move(mlflow.url)
    mlflow.points(RUNS[1], "loss", [2.0, 1.0], start=1)
    mlflow.sql(f"UPDATE runs SET status = 'FINISHED', end_time = 9 WHERE run_uuid = '{RUNS[1]}'")
    mlflow.sql("UPDATE registered_model_aliases SET version = 1 WHERE alias = 'best'")
    (Path(mlflow.artifacts) / RUNS[0] / "artifacts" / "files" / "a.txt").write_text("HELLO")
    assert differing(move(mlflow.url)) == []
    with opened(tmp_path, database_url) as project:
        assert [p.value for p in project.runs.history(RUNS[1], "loss").items] == [3, 2, 1]
        assert project.runs.get(RUNS[1]).status == "FINISHED"
        assert project.registry.alias("reg", "best") == 1
        path = f"1/{RUNS[0]}/artifacts/files/a.txt"
        assert b"".join(project.artifacts.read(path)) == b"HELLO"


def test_a_dry_run_writes_nothing(mlflow: Made, move: Any, database_url: str) -> None:
    move(mlflow.url, dry_run=True)
    fresh = {k for k, v in rows(database_url).items() if v}
    assert fresh == {"experiments"}  # Default


# The second batch of points waits for whoever kills it.
CUT_OFF = """
import signal, sys
import everloop as el
from everloop.tracking.moving.keeping import Keeper
keep, kept = Keeper.keep_points, []
def once(self, points, numbers):
    if kept:
        print("kept", flush=True)
        signal.pause()
    keep(self, points, numbers)
    kept.extend(points)
Keeper.keep_points = once
el.import_mlflow(sys.argv[1], sys.argv[2])
"""


def test_killed_in_the_middle_and_started_again(tmp_path: Path) -> None:
    """``kill -9`` while points are written; the second import completes what the first began."""
    source = made(tmp_path / "mlflow")
    for number in range(120):  # more than a batch of them
        run = f"{number:032x}"
        source.run(run)
        source.points(run, "loss", [float(step) for step in range(750)])
    project = tmp_path / "project"
    project.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", CUT_OFF, source.url, str(project)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == b"kept\n"
        process.send_signal(signal.SIGKILL)
    with Project.open(project) as opened, opened.db.read() as conn:
        kept = conn.exec_driver_sql("SELECT count(*) FROM metric_points").scalar_one()
    assert 0 < kept < 90_000
    done = import_mlflow(source.url, project)
    assert differing(done) == []
    assert {line.kind: line.ours for line in done.lines}["metric points"] == 90_055


def test_a_doctored_source_is_told(mlflow: Made, move: Any) -> None:
    mlflow.sql("UPDATE latest_metrics SET value = 77 WHERE key = 'loss' AND run_uuid LIKE 'a%'")
    done = move(mlflow.url)
    assert not done.ok and differing(done) == ["latest metrics"]


def test_a_doctored_target_is_told(
    mlflow: Made, move: Any, database_url: str, tmp_path: Path
) -> None:
    move(mlflow.url)
    with opened(tmp_path, database_url) as project:
        project.runs.log_metrics(RUNS[0], {"loss": 9.0}, step=2, at=5)
        project.artifacts.put(f"1/{RUNS[0]}/artifacts/more.txt", b"more")
    done = move(mlflow.url)
    assert differing(done) == ["metric points", "artifacts", "artifact bytes"]


def test_the_command_ends_with_1_when_the_sides_differ(tmp_path: Path) -> None:
    source = made(tmp_path / "mlflow")
    command = [sys.executable, "-c", "from everloop.cli import main; main()", "import", "mlflow"]
    command += [source.url, "--dir", str(tmp_path / "p"), "--json"]
    good = subprocess.run(command, capture_output=True, text=True)
    assert good.returncode == 0 and json.loads(good.stdout)["ok"] is True, good.stderr
    source.sql("UPDATE latest_metrics SET value = 77")
    bad = subprocess.run(command, capture_output=True, text=True)
    assert bad.returncode == 1
    lines = {line["kind"]: line["equal"] for line in json.loads(bad.stdout)["lines"]}
    assert lines["latest metrics"] is False and lines["runs"] is True


# -- names -------------------------------------------------------------------------------------


def test_taken_names_are_refused_before_anything_is_written(
    mlflow: Made, move: Any, database_url: str, tmp_path: Path
) -> None:
    with opened(tmp_path, database_url) as project:
        project.experiments.create("alpha")
    before = rows(database_url)
    with pytest.raises(Conflict, match="'alpha'") as caught:
        move(mlflow.url)
    assert "--rename-with" in str(caught.value.fix)
    assert rows(database_url) == before


def test_taken_names_get_an_end(mlflow: Made, move: Any, database_url: str, tmp_path: Path) -> None:
    with opened(tmp_path, database_url) as project:
        project.experiments.create("alpha")
        project.registry.create_model("reg", actor="test")
    done = move(mlflow.url, rename_with="-old")
    assert differing(done) == [] and done.renamed == {"alpha": "alpha-old", "reg": "reg-old"}
    assert differing(move(mlflow.url, rename_with="-other")) == []  # known by where it came from
    with opened(tmp_path, database_url) as project:
        run = project.runs.get(RUNS[0])
        assert run.experiment == "alpha-old" and run.experiment_id != 1
        assert project.registry.alias("reg-old", "champion") == 1


def test_what_comes_is_put_into_what_is_here(
    mlflow: Made, move: Any, database_url: str, tmp_path: Path
) -> None:
    with opened(tmp_path, database_url) as project:
        here = project.experiments.create("alpha", tags={"own": "1"}).id
        own = project.runs.create(here).id
    assert differing(move(mlflow.url, merge=True)) == []
    with opened(tmp_path, database_url) as project:
        found = {run.id for run in project.runs.search([here], view="all").items}
        assert found == {own, *RUNS[:3]}
        assert project.experiments.get(here).tags == {"own": "1", "team": "x"}


# -- places of artifacts -----------------------------------------------------------------------


def test_proxied_artifacts_need_to_be_found(move: Any, tmp_path: Path) -> None:
    source = made(tmp_path / "mlflow", "mlflow-artifacts://host:5000/x")
    with pytest.raises(InvalidInput, match="MLflow server only") as caught:
        move(source.url)
    assert "--artifacts-from" in str(caught.value.fix)
    write_files(tmp_path / "kept" / "x" / RUNS[0] / "artifacts")
    done = move(source.url, artifacts_from=str(tmp_path / "kept"))
    assert differing(done) == []
    assert {line.kind: line.ours for line in done.lines}["artifacts"] == len(FILES)


def test_artifacts_in_an_object_store_come(move: Any, s3_url: str, tmp_path: Path) -> None:
    bucket, _, prefix = s3_url.removeprefix("s3://").partition("/")
    client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    for path, data in FILES.items():
        key = f"{prefix}/{RUNS[0]}/artifacts/{path}"
        client.put_object(Bucket=bucket, Key=key, Body=data)
    done = move(made(tmp_path / "mlflow", s3_url).url)
    assert differing(done) == []
    assert {line.kind: line.ours for line in done.lines}["artifact bytes"] == sum(
        map(len, FILES.values())
    )


def test_without_artifacts_their_places_stay(
    mlflow: Made, move: Any, database_url: str, tmp_path: Path
) -> None:
    assert differing(move(mlflow.url, artifacts=False)) == []
    with opened(tmp_path, database_url) as project:
        assert project.runs.get(RUNS[0]).location == f"{mlflow.artifacts}/{RUNS[0]}/artifacts"


def test_a_link_is_not_followed(mlflow: Made, move: Any, database_url: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    folder = Path(mlflow.artifacts) / RUNS[0] / "artifacts"
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "linked").symlink_to(tmp_path, target_is_directory=True)
    assert differing(move(mlflow.url)) == []
    with opened(tmp_path, database_url) as project:
        found = [entry.path for entry in project.artifacts.walk(f"1/{RUNS[0]}/artifacts")]
    assert sorted(path.partition("artifacts/")[2] for path in found) == sorted(FILES)


def test_a_file_that_cannot_be_stored_is_told(mlflow: Made, move: Any) -> None:
    (Path(mlflow.artifacts) / RUNS[0] / "artifacts" / "odd#name").write_text("x")
    done = move(mlflow.url)
    assert differing(done) == ["artifacts", "artifact bytes"]
    assert any("odd#name" in note for note in done.notes)


# -- kinds of sources --------------------------------------------------------------------------


def test_a_postgresql_database_comes_and_takes(empty_pg_url: str, tmp_path: Path) -> None:
    source = made(tmp_path / "mlflow", url=empty_pg_url)
    source.engine.dispose()
    address = empty_pg_url.replace("postgresql+psycopg", "postgresql")
    project = tmp_path / "p"
    project.mkdir()
    came = import_mlflow(address, project)
    assert differing(came) == []
    with Project.open(project) as opened:
        run = opened.runs.create(1).id
        opened.runs.log_metrics(run, {"loss": math.nan})
    went = export_mlflow(address, project, artifacts_to=str(tmp_path / "kept"))
    assert differing(went) == []
    assert {line.kind: line.theirs for line in went.lines}["runs"] == 5


def test_a_folder_comes(move: Any, database_url: str, tmp_path: Path) -> None:
    source = make_folder(tmp_path / "mlruns")
    done = move(str(source))
    assert differing(done) == []
    assert differing(move(source.as_uri())) == []
    with opened(tmp_path, database_url) as project:
        run = project.runs.get(RUNS[0])
        assert (run.experiment_id, run.name, run.status) == (3, "run: one", "FINISHED")
        assert run.params == {"text": "two\nlines\n"} and math.isnan(run.metrics["val/loss"].value)
        gone = project.runs.get(RUNS[1])
        # Its own id is too long for a number here.
        assert gone.experiment == "gone" and gone.experiment_id < 2**31 and gone.deleted
        assert project.artifacts.entry(f"{gone.experiment_id}/{RUNS[1]}/artifacts/files/a.txt")
        assert project.registry.version("reg", 2).source == f"{run.location}/files"


def test_an_older_schema_comes(mlflow: Made, move: Any) -> None:
    models = ("logged_models", *(f"logged_model_{kind}s" for kind in ("param", "tag", "metric")))
    for table in (*models, "registered_model_aliases", "input_tags", "inputs", "datasets"):
        mlflow.sql(f"DROP TABLE {table}")
    mlflow.sql("ALTER TABLE runs DROP COLUMN deleted_time")
    mlflow.sql("ALTER TABLE experiments DROP COLUMN workspace")
    mlflow.sql("ALTER TABLE experiments DROP COLUMN creation_time")
    assert differing(move(mlflow.url)) == []


def test_what_is_no_mlflow_is_refused(move: Any, sqlite_url: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="not an MLflow database"):
        move(sqlite_url)
    with pytest.raises(InvalidInput, match="a SQLite file that is there"):
        move(f"sqlite:///{tmp_path}/nothing.db")
    assert not (tmp_path / "nothing.db").exists()
    with pytest.raises(InvalidInput, match="mlruns"):
        move(str(tmp_path))
    with pytest.raises(Unavailable, match="does not answer"):
        move("http://127.0.0.1:9")
    with pytest.raises(InvalidInput) as caught:
        move("nonsense://user:secret@host/x")
    assert "secret" not in caught.value.message


def test_the_source_is_left_as_it_is(mlflow: Made, move: Any) -> None:
    file = mlflow.root / "mlflow.db"
    before = file.read_bytes()
    move(mlflow.url)
    assert file.read_bytes() == before
    assert {path.name for path in mlflow.root.iterdir()} == {"mlflow.db", "art"}
