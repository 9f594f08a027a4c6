"""Training that is killed goes on where it was, to the same curve and the same weights."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from shapes import sequences

from everloop.extensions import candidates
from everloop.train.fitting import Fitting

PARAMS = {"width": 8, "hidden": 8, "epochs": 4, "batch_size": 10, "checkpoint_every": 0.0}

KILLED = """
import os, signal, sys
from everloop.train.torch.trainer import Trainer
from test_killed_training import train

step, done = Trainer._step, []

def killed(*arguments):
    if len(done) == 22:  # the second epoch has 15 batches: 7 of them are done
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(step(*arguments))

Trainer._step = killed
train(sys.argv[1])
"""


def train(folder: str | Path | None, told: list | None = None):
    X, y, schema = sequences(200)
    candidate = candidates.get("lstm")()
    estimator = candidate.build(schema, "binary", 3, candidate.defaults(len(X)) | PARAMS)
    around = Fitting(
        validation=(X[150:], y[150:]),
        checkpoints=None if folder is None else Path(folder),
        report=lambda stage, facts: None if told is None else told.append((stage, facts)),
    )
    candidate.fit(estimator, X[:150], y[:150], around)
    return estimator, X


def test_training_killed_in_an_epoch_goes_on_to_the_same_curve(tmp_path):
    path = os.pathsep.join([*sys.path, str(Path(__file__).parent)])
    child = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": path},
        check=False,
    )
    assert child.returncode == -signal.SIGKILL
    told: list = []
    resumed, X = train(tmp_path, told)
    assert [facts for stage, facts in told if stage == "resumed"] == [{"epoch": 1, "step": 7}]
    whole, _ = train(None)
    assert resumed.history_ == whole.history_
    np.testing.assert_array_equal(resumed.predict_proba(X), whole.predict_proba(X))


@pytest.mark.parametrize("content", [b"", b"\x10\0\0\0\0\0\0\0not json at all", b"\xff" * 64])
def test_a_damaged_checkpoint_is_begun_anew(tmp_path, content):
    (tmp_path / "checkpoint.safetensors").write_bytes(content)
    told: list = []
    train(tmp_path, told)
    assert not [facts for stage, facts in told if stage == "resumed"]


def test_a_checkpoint_of_other_data_or_settings_is_not_taken(tmp_path):
    train(tmp_path)
    told: list = []
    X, y, schema = sequences(200, seed=9)
    candidate = candidates.get("lstm")()
    estimator = candidate.build(schema, "binary", 3, candidate.defaults(len(X)) | PARAMS)
    around = Fitting(checkpoints=tmp_path, report=lambda stage, facts: told.append(stage))
    candidate.fit(estimator, X, y, around)
    assert "resumed" not in told
