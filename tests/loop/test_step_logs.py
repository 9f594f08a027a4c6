"""What a step said stays with it: its progress, what its process printed, over attempts too."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from everloop.cli import command_of
from everloop.errors import Unavailable
from everloop.loop.project import Project
from everloop.loop.step_logs import KEPT, listening
from everloop.server.app import create_app
from everloop.settings import Settings


@pytest.fixture
def cycle(tmp_path: Path):
    (tmp_path / "everloop.toml").write_text('[data]\nsource = "d.csv"\ntarget = "y"\n')
    with Project.open(tmp_path, Settings()) as project:
        project.sync_file()
        loop = project.cycles.loop_names()[0]
        made = project.cycles.create(loop, cause={}, plan=["train"], actor="t")
        yield project, made.id


def test_progress_and_prints_are_kept_however_the_step_ends(cycle, tmp_path: Path) -> None:
    project, id = cycle
    printed, handed_on = tmp_path / "worker.log", []
    printed.write_text("of an earlier step\n")
    store = project.step_logs
    with (
        pytest.raises(Unavailable),
        listening(store, id, "train", lambda *said: handed_on.append(said), printed) as report,
    ):
        report("trial", {"candidate": "lightgbm", "score": 0.123456789, "at": [1]})
        with printed.open("a") as log:
            log.write("Traceback: out of memory\n")
        raise Unavailable("gone")
    text = store.of(id)["train"]
    assert "trial: candidate lightgbm, score 0.12346\n" in text
    assert text.endswith("Traceback: out of memory\n") and "earlier step" not in text
    assert handed_on == [("trial", {"candidate": "lightgbm", "score": 0.123456789, "at": [1]})]
    with listening(store, id, "train", lambda *_: None, tmp_path / "none.log") as report:
        report("trial", {"candidate": "again"})
    both = store.of(id)["train"]
    assert both.startswith(text) and both.endswith("candidate again\n")


def test_they_are_told_on_the_command_line_over_http_and_by_the_page(cycle) -> None:
    project, id = cycle
    project.cycles.begin_step(id, "train", 0)
    project.step_logs.keep(id, "train", "12:00:00 trial: <b>score</b> 0.7\n")
    asked = ["1", "--logs", "--dir", str(project.dir)]
    shown = CliRunner().invoke(command_of("history"), asked)
    assert shown.exit_code == 0, shown.output
    assert "what train said" in shown.output and "trial: <b>score</b> 0.7" in shown.output
    assert CliRunner().invoke(command_of("history"), asked[1:]).exit_code != 0
    found = TestClient(create_app(project, serve_url="http://127.0.0.1:9"))
    found.base_url = "http://127.0.0.1:5050"
    assert "0.7" in found.get(f"/api/v1/cycles/{id}").json()["logs"]["train"]
    page = found.get(f"/cycles/{id}").text
    assert "what it said" in page and "&lt;b&gt;score&lt;/b&gt; 0.7" in page


def test_only_the_end_of_much_is_kept(cycle, tmp_path: Path) -> None:
    project, id = cycle
    printed = tmp_path / "worker.log"
    with listening(project.step_logs, id, "train", lambda *_: None, printed):
        printed.write_text("x" * 3 * KEPT + "\0the end")
    text = project.step_logs.of(id)["train"]
    assert len(text) <= KEPT and text.endswith("xthe end")
    with listening(project.step_logs, id, "evaluate", lambda *_: None, printed):
        pass
    assert list(project.step_logs.of(id)) == ["train"]  # silence leaves no row
