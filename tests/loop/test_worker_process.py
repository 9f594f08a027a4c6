"""The process that does heavy work: started ahead, kept for a while, gone when nobody asks."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from everloop.loop.executors import _process
from everloop.loop.executors._process import WorkerLost, WorkerProcess
from everloop.loop.lean_imports import DO_WITHOUT, lean_imports
from waiting import wait_for


def test_one_that_is_warm_and_has_no_job_ends_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    new = WorkerProcess._new

    def noticed(self: WorkerProcess, printed: Path) -> subprocess.Popen[bytes]:
        started.append(new(self, printed))
        return started[-1]

    monkeypatch.setattr(WorkerProcess, "_new", noticed)
    process = WorkerProcess(tmp_path, "steps")
    process.warm()
    process.warm()
    monkeypatch.setattr(_process, "SOON_SECONDS", 0.1)
    process.warm()
    (only,) = started
    wait_for(lambda: only.returncode is not None)
    assert only.returncode == 0
    process.close()


def test_nothing_is_left_of_its_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    process = WorkerProcess(tmp_path, "steps")
    process.warm()
    (scratch,) = (tmp_path / "tmp").iterdir()
    (scratch / "fetched").write_bytes(b"an object")
    assert process._process is not None
    process._process.kill()  # as the system does, or the watchdog
    assert isinstance(process._lost(process._process, "", None), WorkerLost)
    assert not scratch.exists()
    process.close()
    scratch.mkdir()
    (scratch / "fetched").write_bytes(b"an object")
    command = [sys.executable, "-m", "everloop.loop.worker", "--dir", str(tmp_path)]
    with subprocess.Popen([*command, "--scratch", str(scratch)], stdin=subprocess.PIPE) as alone:
        assert alone.stdin is not None
        alone.stdin.close()  # as when the controller is killed
        assert alone.wait(60) == 0
    assert list((tmp_path / "tmp").iterdir()) == []


def test_being_told_to_get_ready_does_not_wait_for_a_job(tmp_path: Path) -> None:
    process = WorkerProcess(tmp_path, "steps")
    with process._lock:  # at a job
        process.warm()
    assert process._process is None


def test_only_those_who_can_do_without_a_library_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    monkeypatch.setitem(DO_WITHOUT, "colorsys", ("some.module",))
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    lean_imports()
    with pytest.raises(ImportError, match="colorsys"):
        exec("import colorsys", {"__name__": "some.module"})
    exec("import colorsys", {"__name__": "another.module"})
    assert "colorsys" in sys.modules


# Prints what LightGBM makes of a table with a column of categories, by an array beside it.
TABLE = """
import subprocess
import sys
if sys.argv[1] == "lean":
    from everloop.loop.lean_imports import lean_imports
    lean_imports()
import numpy as np
import lightgbm
first = "pandas" in sys.modules
rng = np.random.default_rng(0)
X, y = rng.normal(size=(200, 2)), rng.integers(2, size=200)
told = {"n_estimators": 5, "min_child_samples": 3, "verbosity": -1}
by_array = lightgbm.LGBMClassifier(**told).fit(X, y)
second = "pandas" in sys.modules
import pandas as pd
table = pd.DataFrame({"a": X[:, 0], "b": pd.Categorical(rng.choice(list("uvw"), 200))})
by_table = lightgbm.LGBMClassifier(**told).fit(table, pd.Series(y), sample_weight=pd.Series(y + 1))
print(first, second)
print(by_table.booster_.pandas_categorical, by_table.feature_name_)
print(by_array.predict_proba(X)[:3].tolist(), by_table.predict_proba(table)[:3].tolist())
print(by_table.booster_.trees_to_dataframe().shape)
one, two = (lightgbm.Dataset(t, free_raw_data=False).construct() for t in (table[["a"]], X))
print(type(one.add_features_from(two).get_data()).__name__)
"""


def test_lightgbm_takes_a_table_as_well_where_pandas_came_later() -> None:
    told = {}
    for how in ("lean", "whole"):
        ran = subprocess.run(
            [sys.executable, "-c", TABLE, how], capture_output=True, text=True, check=True
        )
        told[how] = ran.stdout.splitlines()
    assert told["lean"][0] == "False False"
    assert told["whole"][0] == "True True"
    assert told["lean"][1].startswith("[['u', 'v', 'w']]")
    assert told["lean"][1:] == told["whole"][1:]


# What a worker imports before its first fit, and what it goes on with beside it.
STAGES = """
import sys
from everloop.loop import worker
worker.lean_imports()
worker._import_to_fit()
before = set(sys.modules)
worker._import_to_judge(None)
after = set(sys.modules) - before
print("everloop.loop.steps.evaluate" in after, "jinja2" in after)
fits = ("pandas", "pyarrow", "numpy", "scipy", "sklearn", "skl2onnx", "onnx", "lightgbm", "torch")
print([name for name in sorted(after) if name.partition(".")[0] in fits])
"""


def test_what_is_imported_beside_a_fit_is_nothing_that_fits() -> None:
    ran = subprocess.run([sys.executable, "-c", STAGES], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == ["True True", "[]"]


# Fits of the kinds that ask for tables in the middle of it: two at a time, the second would find
# half of pandas among what is imported.
MIDWAY = """
import sys
from everloop.loop.lean_imports import lean_imports
lean_imports()
import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.preprocessing import StandardScaler
X = np.array([[1.0, np.nan], [2.0, 3.0], [4.0, 5.0]])
steps = [("a", SimpleImputer(), [0, 1]), ("b", KNNImputer(), [1]), ("c", StandardScaler(), [0])]
print(ColumnTransformer(steps).fit_transform(X).shape, "pandas" in sys.modules)
"""


def test_no_fit_imports_tables_beside_another() -> None:
    ran = subprocess.run([sys.executable, "-c", MIDWAY], capture_output=True, text=True)
    assert ran.stdout.splitlines() == ["(3, 4) False"], ran.stderr


# A fit needs a part of skl2onnx when another one has imported half of it.
HALFWAY = """
import sys, threading, time
from importlib.abc import MetaPathFinder
from everloop.train.loading import load
halfway = threading.Event()

class Halfway(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "skl2onnx.convert" and threading.current_thread() is other:
            halfway.set()
            time.sleep(1.0)  # time for the main thread to ask for what comes later in this import

other = threading.Thread(target=load, args=("skl2onnx:convert_sklearn",))
sys.meta_path.insert(0, Halfway())
other.start()
halfway.wait()
print(load("everloop.train.estimators.neighbours:NeighboursClassifier").__name__)
other.join()
print("skl2onnx.convert" in sys.modules)
"""


def test_two_fits_may_import_at_a_time() -> None:
    ran = subprocess.run([sys.executable, "-c", HALFWAY], capture_output=True, text=True)
    assert ran.stdout.splitlines() == ["NeighboursClassifier", "True"], ran.stderr
    assert "Traceback" not in ran.stderr
