"""Networks of our own by their weights: the same answers, and what does not fit."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from safetensors.torch import save_file

from everloop.data.schema import Feature, Schema
from everloop.errors import EverloopError
from everloop.train.foreign._base import Hints
from everloop.train.foreign.reading import read_model
from everloop.train.torch.model import TorchModel

SCHEMA = Schema(
    features=(Feature("a", "number", nullable=True), Feature("b", "number")),
    target="y", task="binary", classes=("no", "yes"),
)  # fmt: skip
X = np.random.default_rng(0).normal(size=(64, 2))


@pytest.fixture(scope="module")
def model():
    return TorchModel(SCHEMA, "torch_mlp", epochs=1, hidden=8, layers=1).fit(
        X, (X[:, 0] > 0).astype(int)
    )


def test_weights_answer_as_the_network_does(model, tmp_path) -> None:
    model.save(tmp_path / "net.safetensors")
    brought = read_model(tmp_path / "net.safetensors", Hints(schema=SCHEMA))
    session = onnxruntime.InferenceSession(brought.onnx, providers=["CPUExecutionProvider"])
    assert np.abs(session.run(None, {"X": X})[1] - model.predict_proba(X)).max() < 1e-6


def test_weights_that_do_not_fit_are_refused(model, tmp_path) -> None:
    path = tmp_path / "net.safetensors"
    model.save(path)
    with pytest.raises(EverloopError, match="--schema"):
        read_model(path, Hints())
    wider = Schema(
        features=(*SCHEMA.features, Feature("c", "number")), target="y", task="binary",
        classes=SCHEMA.classes,
    )  # fmt: skip
    with pytest.raises(EverloopError, match="the weights of a torch_mlp"):
        read_model(path, Hints(schema=wider))
    weights = {"network.x": model.network_.state_dict()[next(iter(model.network_.state_dict()))]}
    for header, reason in (
        ({"kind": "os.system"}, "the weights of a os.system"),
        ({"kind": "torch_mlp", "width": "1000000000"}, "from 1 to 4096"),
        ({}, "kind"),
    ):
        save_file(weights, path, header)
        with pytest.raises(EverloopError, match=reason):
            read_model(path, Hints(schema=SCHEMA))
    path.write_bytes(b"\xff" * 64)
    with pytest.raises(EverloopError, match="no safetensors file"):
        read_model(path, Hints(schema=SCHEMA))
