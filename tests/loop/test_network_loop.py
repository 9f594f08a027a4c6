"""A network in a cycle: the device asked for, the curve in its run, no checkpoint left behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from loop_stream import carry_out

import everloop as el
from everloop.errors import InvalidInput
from everloop.train.check import check_spec
from everloop.train.spec import TrainSpec


def declared(folder: Path, device: str):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    frame = pl.DataFrame({"a": X[:, 0], "b": X[:, 1]})
    frame.with_columns(y=pl.Series(X[:, 0] > 0)).write_csv(folder / "data.csv")
    raw = {
        "loop": {"name": "net"},
        "data": {"source": "data.csv", "target": "y"},
        "train": {
            "candidates": ["torch_mlp"],
            "device": device,
            "space": {"torch_mlp": {"epochs": 3, "hidden": 8}},
        },
        "evaluate": {"gates": []},
    }
    return el.declare(folder, el.from_dict(raw).declaration)


def test_the_run_has_the_device_and_the_curve(tmp_path):
    loop = declared(tmp_path, "cpu")
    with loop.project as project:
        cycle = carry_out(project, loop.train(wait=False))
        step = project.cycles.step(cycle.id, "train")
        assert step is not None and step.result is not None, cycle.reason
        run = project.runs.get(step.result["run"])
        assert run.params["device"] == "cpu" and run.params["epochs"] == "3"
        points = project.runs.history(run.id, "epoch_loss").items
        assert [point.step for point in points] == [1, 2, 3]
        assert points[-1].value < points[0].value
        assert not list((tmp_path / ".everloop" / "checkpoints").glob("*"))


def test_cuda_where_there_is_none_is_refused_in_a_sentence(tmp_path):
    loop = declared(tmp_path, "cuda:77")
    with loop.project as project:
        cycle = carry_out(project, loop.train(wait=False))
        assert cycle.verdict == "refused"
        assert "train.device: got 'cuda:77', expected a device that is here" in cycle.reason


def test_a_device_that_is_none_is_refused_before_training():
    with pytest.raises(InvalidInput, match=r"train\.device: got 'gpu', expected \"auto\""):
        check_spec(TrainSpec(device="gpu"))
