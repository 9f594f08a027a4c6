"""The method ``pool``: from a champion's package and labelled rows to the next version's."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from everloop.data.schema import Feature, Schema
from everloop.evaluate.metrics import get_metric
from everloop.train.onnx import to_onnx
from everloop.train.pool import STATE
from everloop.train.pool.growing import REST, SHORTEST
from everloop.train.spec import TrainSpec
from everloop.train.threshold import Thresholded
from everloop.train.validation import Known
from everloop.update.methods import Around, Champion, Choice, Made
from everloop.update.methods.pool import PoolMethod
from everloop.update.methods.rows import TrainingRows

SMALL = {"n_estimators": 10, "num_leaves": 5, "min_child_samples": 5}
ROWS = 2_000
FEATURES = tuple(Feature(name, "number") for name in ("a", "b", "c"))
SCHEMA = Schema(task="binary", target="y", features=FEATURES, classes=("n", "y"))


class Versions:
    """Makes version after version in one folder."""

    def __init__(self, folder: Path, schema: Schema = SCHEMA) -> None:
        rng = np.random.default_rng(0)
        self.X, self.schema, self.folder = rng.normal(size=(ROWS, 3)), schema, folder
        self.y = (self.X[:, 0] + rng.normal(0, 0.3, ROWS) > 0).astype(float)

    def make(self, rows: int, **spec: object) -> Made:
        known = Known(times=np.arange(rows) * 1000)
        data = TrainingRows(
            self.X[:rows], self.y[:rows], self.schema, get_metric("accuracy"), known, None, None, 0
        )
        champion = Champion(1, "lightgbm", SMALL, self.folder, self.schema, 0)
        train = msgspec.convert({"candidates": ["lightgbm"], **spec}, TrainSpec)
        made = PoolMethod().make(data, champion, Around(Choice("pool"), train, keep=SMALL))
        for name, content in made.state.items():
            (self.folder / name).parent.mkdir(exist_ok=True)
            (self.folder / name).write_bytes(content)
        return made


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    return Versions(tmp_path)


def test_a_full_fit_begins_it_windows_teach_it_and_another_joins(versions: Versions) -> None:
    made = versions.make(500)
    assert made.facts["pool"]["full_fit"] and "500 rows begins" in made.notes[0]
    assert versions.make(500).nothing
    for window in range(1, REST + 1):
        made = versions.make(500 + 170 * window)
        facts = made.facts["pool"]
        assert facts["windows"] == window and facts["full_fit"] == (window == REST)
        assert facts["fresh_fits"] == (window >= SHORTEST // 2)
        if window == SHORTEST // 2:
            assert "newest 675 rows" in made.notes[0]
    assert "3.0 times the rows" in made.notes[0]
    assert made.fitted[0].name == "lightgbm" and made.fitted[0].params == SMALL
    kinds = [family["kind"] for family in msgspec.json.decode(made.state[STATE])["families"]]
    assert kinds == ["full", "line", "fresh"]


def test_the_threshold_goes_with_it(versions: Versions) -> None:
    for rows in (500, 600):
        estimator = versions.make(rows, threshold=0.3, calibrate="platt").fitted[0].estimator
        assert isinstance(estimator, Thresholded) and estimator.threshold == 0.3
        assert to_onnx(estimator, SCHEMA, versions.X)


def test_a_class_that_it_does_not_know_begins_a_new_one(tmp_path: Path) -> None:
    three = msgspec.structs.replace(SCHEMA, task="multiclass", classes=("n", "y", "z"))
    versions = Versions(tmp_path, three)
    versions.make(500)
    assert not versions.make(600).facts["pool"]["full_fit"]
    versions.y[650:700] = 2
    assert versions.make(700).facts["pool"]["full_fit"]
