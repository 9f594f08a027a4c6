"""The user's own predict: answers, limits, fences, deaths."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from everloop.data.schema import Feature, Schema
from everloop.deploy.package import Limits, Package
from everloop.deploy.packaging import write_package
from everloop.deploy.predictor import ModelFailure
from everloop.deploy.runtimes import load_runtime
from everloop.deploy.state import Arm, package_path
from everloop.errors import Integrity, InvalidInput
from waiting import wait_for

FEATURES = (
    Feature("x", "number", nullable=True),
    Feature("town", "category", ("Ulm", "Bonn"), nullable=True),
    Feature("new", "boolean", nullable=True),
)
NUMBER = Schema(features=FEATURES, target="y", task="regression")
CLASSES = Schema(features=FEATURES, target="y", task="binary", classes=("no", "yes"))
ROW = np.array([[2.0, 1.0, 1.0]])


def made(tmp_path: Path, code: str, schema: Schema = NUMBER, **limits):
    folder = tmp_path / "package"
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "model.py").write_text(code)
    package = Package(
        model="own", task=schema.task, algorithm="python", created=1, schema=schema,
        runtime="python", limits=Limits("model:predict", **limits),
    )  # fmt: skip
    return load_runtime(folder, package)


def test_rows_are_dictionaries_of_what_was_sent(tmp_path) -> None:
    model = made(tmp_path, "def predict(rows): return [len(repr(sorted(r.items()))) for r in rows]")
    missing = np.array([[np.nan, -1.0, np.nan]])
    told = [
        [("new", True), ("town", "Bonn"), ("x", 2.0)],
        [("new", None), ("town", None), ("x", None)],
    ]
    assert model.predict(np.vstack([ROW, missing])).y == [len(repr(row)) for row in told]


def test_classes_come_alone_or_with_probabilities(tmp_path) -> None:
    model = made(
        tmp_path,
        "def predict(rows): return [{'yes': 0.75, 'no': 0.25}, 'no'][: len(rows)]",
        CLASSES,
    )
    answer = model.predict(np.vstack([ROW, ROW]))
    assert answer.y == ["yes", "no"]
    assert answer.probabilities.tolist() == [[0.25, 0.75], [1.0, 0.0]]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("[1, 2]", "2 answers for 1 rows"),
        ("['high']", "expected a finite number"),
        ("[float('nan')]", "expected a finite number"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_what_it_may_not_answer_is_its_failure(tmp_path, answer, reason) -> None:
    model = made(tmp_path, f"def predict(rows): return {answer}")
    with pytest.raises(ModelFailure, match=reason):
        model.predict(ROW)


def test_a_missing_value_it_fails_on_is_the_caller_s_fault_where_none_was_in_training(
    tmp_path,
) -> None:
    always = (Feature("x", "number"), Feature("town", "category", ("Ulm", "Bonn")), FEATURES[2])
    schema = Schema(features=always, target="y", task="regression")
    code = "def predict(rows): return [r['x'] + len(r['town']) + (r['new'] > 0) for r in rows]"
    model = made(tmp_path, code, schema)
    assert model.predict(ROW).y == [7.0]
    for row, path in (([np.nan, 0.0, 1.0], "$[1].x"), ([1.0, -1.0, 1.0], "$[1].town")):
        with pytest.raises(InvalidInput) as refused:
            model.predict(np.vstack([ROW, row]))
        assert (refused.value.code, refused.value.path) == ("missing_value", path)
    with pytest.raises(ModelFailure) as failed:  # it was told that this may be missing
        model.predict(np.array([[1.0, 1.0, np.nan]]))
    assert failed.value.raised == "TypeError"


def test_code_that_cannot_be_imported_is_refused(tmp_path) -> None:
    with pytest.raises(Integrity, match="No module named 'not_there'"):
        made(tmp_path, "import not_there")


def test_a_call_that_takes_too_long_is_ended_and_the_next_one_answers(tmp_path) -> None:
    code = "import time\ndef predict(rows):\n    time.sleep(rows[0]['x'])\n    return [1.0]"
    model = made(tmp_path, code, seconds=0.5)
    with pytest.raises(ModelFailure, match="took longer than"):
        model.predict(np.array([[60.0, 0.0, 0.0]]))
    wait_for(lambda: answers(model))


def answers(model) -> bool:
    try:
        return model.predict(np.array([[0.0, 0.0, 0.0]])).y == [1.0]
    except ModelFailure:
        return False


def test_a_crash_is_the_failure_of_one_call(tmp_path) -> None:
    code = "import os\ndef predict(rows):\n    if rows[0]['x'] > 1: os._exit(3)\n    return [1.0]"
    model = made(tmp_path, code)
    with pytest.raises(ModelFailure, match="ended without an answer"):
        model.predict(ROW)
    wait_for(lambda: answers(model))


def test_a_process_that_was_killed_between_calls_is_started_again(tmp_path) -> None:
    model = made(tmp_path, "def predict(rows): return [1.0]")
    time.sleep(1.0)  # a start a second
    os.kill(model._process.process.pid, signal.SIGKILL)
    wait_for(lambda: answers(model))


def test_memory_is_bounded(tmp_path) -> None:
    model = made(tmp_path, "def predict(rows): return [len(bytearray(1 << 30))]", memory_mb=512)
    with pytest.raises(ModelFailure, match="more memory"):
        model.predict(ROW)
    model = made(
        tmp_path / "b", "def predict(rows): return [len(bytearray(1 << 20))]", memory_mb=512
    )
    assert model.predict(ROW).y == [1 << 20]


def test_neither_files_nor_network_nor_secrets_are_seen(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("EVERLOOP_TOKEN", "secret")
    (tmp_path / "secret").write_text("s")
    code = f"""
import os, socket, tempfile
def tried(what):
    try: what(); return 0
    except PermissionError: return 1
def predict(rows):
    found = [
        tried(lambda: open({str(tmp_path / "secret")!r})),
        tried(lambda: open({str(tmp_path / "package" / "code" / "model.py")!r}, "a")),
        tried(lambda: socket.socket()),
        tried(lambda: open(os.path.join(tempfile.gettempdir(), "scratch"), "w")),
        int("EVERLOOP_TOKEN" in os.environ),
    ]
    return [int("".join(map(str, found)))]
"""
    model = made(tmp_path, code)
    assert model.fences == ["files", "network"]
    assert model.predict(ROW).y == [11100]


def test_the_process_goes_with_its_model(tmp_path) -> None:
    model = made(tmp_path, "def predict(rows): return [1.0]")
    process = model._process.process
    assert process.poll() is None
    del model
    assert process.wait(60) == -signal.SIGKILL


def test_the_data_plane_serves_it_and_outlives_its_death(project, start) -> None:
    package = Package(
        model="flights", task="regression", algorithm="python", created=1, schema=NUMBER,
        runtime="python", limits=Limits("model:predict", seconds=5.0),
    )  # fmt: skip
    code = b"import os\ndef predict(rows):\n    if rows[0]['x'] == 9: os._exit(1)\n"
    code += b"    return [1.5] * len(rows)"
    fresh = project.state / "packages" / "fresh"
    digest = write_package(fresh, package, {"code/model.py": code}, project.keys)
    fresh.rename(package_path(project.state, digest))
    revision = project.want(flights=[Arm(1, digest)])
    serving = start(project.folder)
    serving.applied(revision)
    row = {"x": 1.0, "town": "Ulm", "new": True}
    assert serving.predict([row]).json()["y_pred"] == [1.5]
    died = serving.predict([{**row, "x": 9}])
    assert died.status_code == 500 and died.json()["error"]["code"] == "model_failed"
    wait_for(lambda: serving.predict([row]).status_code == 200)
    assert serving.stop() == 0
