"""``el.start_run`` into a folder's own database."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import everloop as el
from everloop.errors import Conflict, EverloopError, InvalidInput, NotFound, TooLarge, Unavailable
from everloop.loop.project import Project
from everloop.tracking.client import channel as channel_module
from everloop.tracking.client.channels import channel_to
from everloop.tracking.client.place import place_of
from everloop.tracking.records import Run
from waiting import wait_for


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EVERLOOP_SERVER", raising=False)
    monkeypatch.delenv("EVERLOOP_DATABASE_URL", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with Project.open(tmp_path) as opened:
        yield opened


def start(project: Project, **arguments: Any) -> Any:
    return el.start_run(**{"experiment": "e", "dir": project.dir, **arguments})


def kept(project: Project, run: Any) -> Run:
    return project.runs.get(run.id)


def test_a_run_with_everything(project: Project) -> None:
    with start(project, name="first", params={"lr": 0.1, "on": True}, tags={"a": "b"}) as run:
        for step in range(1000):
            run.log({"loss": 1 / (step + 1), "acc": step}, step=step)
        run.log_params({"layers": [1, 2]})
        run.set_tags({"a": "c"})
    found = kept(project, run)
    assert (found.experiment, found.name, found.status) == ("e", "first", "FINISHED")
    assert found.params == {"lr": "0.1", "on": "true", "layers": "[1,2]"}
    assert found.tags["a"] == "c"
    assert found.finished is not None and found.user
    assert run.url is None
    history = project.runs.history(run.id, "loss").items
    assert [p.step for p in history] == list(range(1000))
    assert [p.value for p in history] == [1 / (step + 1) for step in range(1000)]


def test_values_that_are_not_plain_floats(project: Project) -> None:
    class Scalar:
        def __float__(self) -> float:
            return 2.5

    with start(project) as run:
        run.log({"a": Scalar(), "b": math.nan, "c": -math.inf, "d": True})
        run.log({"at": 1.0}, at=1234)
    metrics = kept(project, run).metrics
    assert metrics["a"].value == 2.5 and math.isnan(metrics["b"].value)
    assert metrics["c"].value == -1.7976931348623157e308 and metrics["d"].value == 1.0
    assert metrics["at"].at == 1234


@pytest.mark.parametrize(
    "call",
    [
        lambda run: run.log({"a": "x"}),
        lambda run: run.log({"a": 1.0, "b": None}),
        lambda run: run.log({"": 1.0}),
        lambda run: run.log({"k" * 300: 1.0}),
        lambda run: run.log({"a": 1.0}, step=1.5),
        lambda run: run.log({"a": 1.0}, step=2**63),
        lambda run: run.log({"a": 1.0}, at="now"),
        lambda run: run.log_params({"p\0": 1}),
        lambda run: run.set_tags({"t": "x" * 9000}),
        lambda run: run.log_artifact("missing.txt"),
        lambda run: run.log_artifact(__file__, "../out"),
        lambda run: run.log_artifact(__file__, "/abs"),
        lambda run: run.finish("DONE"),
    ],
)
def test_bad_input_is_refused_at_once_and_leaves_nothing(project: Project, call: Any) -> None:
    with start(project) as run:
        with pytest.raises(InvalidInput):
            call(run)
        run.log({"good": 1.0})
    found = kept(project, run)
    assert set(found.metrics) == {"good"} and found.params == {} and found.status == "FINISHED"


def test_a_failure_and_an_interruption_show(project: Project) -> None:
    with pytest.raises(ZeroDivisionError), start(project) as failed:
        failed.log({"a": 1 / 0})
    with pytest.raises(KeyboardInterrupt), start(project) as killed:
        raise KeyboardInterrupt
    with pytest.raises(SystemExit), start(project) as ended:
        raise SystemExit(0)
    states = [kept(project, run).status for run in (failed, killed, ended)]
    assert states == ["FAILED", "KILLED", "FINISHED"]


def test_runs_inside_a_run_are_its_children(project: Project) -> None:
    with start(project) as parent:
        with start(project) as child, start(project) as grandchild:
            grandchild.log({"a": 1.0})
        with start(project) as second:
            pass
    with start(project) as other:
        pass
    tag = "mlflow.parentRunId"
    assert kept(project, child).tags[tag] == parent.id
    assert kept(project, grandchild).tags[tag] == child.id
    assert kept(project, second).tags[tag] == parent.id
    assert tag not in kept(project, other).tags


def test_a_run_that_has_ended_refuses_and_can_be_gone_on_with(project: Project) -> None:
    with start(project) as run:
        run.log({"a": 1.0}, step=1)
    with pytest.raises(Conflict, match="has ended"):
        run.log({"a": 2.0})
    run.finish()
    with el.start_run(run=run.id, dir=project.dir, tags={"again": "1"}) as again:
        assert again.flush()
        assert kept(project, run).status == "RUNNING"
        again.log({"a": 2.0}, step=2)
    found = kept(project, run)
    assert found.metrics["a"].step == 2 and found.tags["again"] == "1"
    assert found.status == "FINISHED"


def test_a_run_that_is_not_there_is_said_at_the_start(project: Project) -> None:
    with pytest.raises(NotFound):
        el.start_run(run="f" * 32, dir=project.dir)
    with pytest.raises(InvalidInput):
        el.start_run(run="nonsense", dir=project.dir)
    with start(project) as run:  # the way is free again
        run.log({"a": 1.0})
    assert kept(project, run).status == "FINISHED"


def test_a_param_is_written_once(project: Project) -> None:
    with start(project, params={"p": 1}) as run:
        run.log_params({"p": 1})
        with pytest.raises(Conflict, match="written once"):
            run.log_params({"p": 2})
    other = el.start_run(run=run.id, dir=project.dir)
    other.log({"a": 1.0})
    other.log_params({"p": 3})  # only the other side knows
    with pytest.raises(Conflict, match="written once"):
        other.finish()
    found = kept(project, run)
    assert found.params == {"p": "1"} and "a" in found.metrics


def test_what_is_refused_is_set_aside(project: Project) -> None:
    run = start(project)
    run.flush()
    project.runs.delete(run.id, actor="test")
    run.log({"a": 1.0})
    with pytest.raises(Conflict, match="deleted"):
        run.finish()
    assert list((project.state / "outbox" / "refused").glob("*.seg"))
    with start(project) as other:
        other.log({"a": 1.0})
    assert "a" in kept(project, other).metrics


def test_artifacts_are_copied_before_log_artifact_returns(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a b.txt").write_text("one")
    (folder / "c.bin").write_bytes(b"\0" * 100)
    with start(project) as run:
        run.log_artifact(folder)
        run.log_artifact(folder / "c.bin", "other/d.bin")
        (folder / "deep" / "a b.txt").write_text("changed")
    root = kept(project, run).location.removeprefix("mlflow-artifacts:/")
    read = lambda path: b"".join(project.artifacts.read(f"{root}/{path}"))  # noqa: E731
    assert read("out/deep/a b.txt") == b"one"
    assert read("other/d.bin") == read("out/c.bin") == b"\0" * 100
    assert not list((project.state / "outbox").rglob("*.file"))


def test_points_are_in_the_write_ahead_file_soon_though_nothing_is_sent(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(project)
    channel = channel_to(place_of(project.dir))
    monkeypatch.setattr(channel.target, "send", _away)
    folder = project.state / "outbox"
    sizes = lambda: sum(p.stat().st_size for p in folder.rglob("*.seg"))  # noqa: E731
    before = sizes()
    run.log({"a": 1.0})
    wait_for(lambda: sizes() > before)
    assert not run.flush(patience=0.1)
    assert kept(project, run).metrics == {}
    monkeypatch.undo()
    run.finish()
    assert kept(project, run).metrics["a"].value == 1.0


def _away(run: str, record: bytes) -> None:
    raise Unavailable("away")


def _slowly_away(run: str, record: bytes) -> None:
    time.sleep(0.5)
    raise Unavailable("away")


def test_a_write_ahead_file_that_cannot_be_written_loses_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(project)
    channel = channel_to(place_of(project.dir))
    outbox: Any = channel._outbox

    def full(payload: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(outbox, "append", full)
    for step in range(100):
        run.log({"a": 1.0}, step=step)
    with pytest.raises(Unavailable, match="No space left"):
        run.flush()
    monkeypatch.undo()
    run.finish()
    assert len(project.runs.history(run.id, "a").items) == 100


def test_many_threads_log_to_one_run_and_keep_their_order(project: Project) -> None:
    run = start(project)

    def work(name: str) -> None:
        for step in range(2000):
            run.log({name: float(step), "shared": 1.0}, step=step, at=1000 + step)

    threads = [threading.Thread(target=work, args=(f"m{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run.finish()
    for i in range(4):
        points = project.runs.history(run.id, f"m{i}").items
        assert [p.value for p in points] == [float(step) for step in range(2000)]
    assert len(project.runs.history(run.id, "shared").items) == 2000  # the same ones four times


def test_logging_is_never_held_up_by_the_other_side(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(project)
    channel = channel_to(place_of(project.dir))
    sending, logged, waited = threading.Event(), threading.Event(), []

    def send(run: str, record: bytes) -> None:
        sending.set()
        waited.append(logged.wait(60))
        _away(run, record)

    monkeypatch.setattr(channel.target, "send", send)
    for step in range(5000):
        run.log({"a": 1.0}, step=step)
    assert sending.wait(60)
    logged.set()
    monkeypatch.undo()
    run.finish()
    assert waited and all(waited)
    assert len(project.runs.history(run.id, "a").items) == 5000


def test_segments_that_were_sent_are_deleted(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("everloop.tracking.client.outbox.SEGMENT_BYTES", 2000)
    run = start(project)
    for step in range(50):
        run.log({"a": 1.0}, step=step)
        run.log_params({f"p{step}": "x" * 500})
        if step % 10 == 0:
            run.flush()
    run.finish()
    segments = list((project.state / "outbox").rglob("records*.seg"))
    assert len(segments) == 1
    assert len(kept(project, run).params) == 50


def test_a_forked_child_logs_as_a_client_of_its_own(project: Project) -> None:
    run = start(project)
    run.log({"parent": 1.0})
    child = os.fork()
    if child == 0:
        try:
            run.log({"child": 2.0})
            os._exit(0 if run.flush() else 3)
        except BaseException:
            os._exit(4)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    run.log({"parent": 3.0}, step=1)
    run.finish()
    assert set(kept(project, run).metrics) == {"parent", "child"}
    assert len(project.runs.history(run.id, "parent").items) == 2


def test_a_large_record_is_refused_by_the_client_before_the_server_does() -> None:
    assert channel_module.GATHER <= 0.05
    with pytest.raises(TooLarge):
        el.start_run(tags={"t": "x" * 9000})
    with pytest.raises(EverloopError, match="an address such as"):
        el.start_run(server="ftp://nowhere")
