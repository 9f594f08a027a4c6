"""Graphs of others: parity with whoever made them, and what is refused."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier

from everloop.data.schema import Feature, Schema
from everloop.errors import EverloopError
from everloop.train.foreign import limits
from everloop.train.foreign._base import Hints
from everloop.train.foreign.onnx import from_onnx

X = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
CODES = (X[:, 0] > 0).astype(int)
NAMES = np.array(["a", "b", "c"])[np.digitize(X[:, 1], [-0.5, 0.5])]


def ask(brought, rows):
    session = onnxruntime.InferenceSession(brought.onnx, providers=["CPUExecutionProvider"])
    return session.run(None, {"X": np.asarray(rows, dtype=np.float64)})


def save(tmp_path, model, **options):
    path = tmp_path / "model.onnx"
    onnx.save_model(model, path, **options)
    return path


def graph(nodes, inputs, outputs, constants=(), **options):
    made = helper.make_graph(nodes, "other", inputs, outputs, list(constants))
    opsets = [helper.make_opsetid("", 18), *options.pop("opsets", [])]
    return helper.make_model(made, opset_imports=opsets, ir_version=9, **options)


def value(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize(
    ("estimator", "target"),
    [
        (LogisticRegression(), CODES),
        (LogisticRegression(), CODES + 3),
        (RandomForestClassifier(5, random_state=0), NAMES),
        (MLPClassifier((4,), max_iter=500, random_state=0), NAMES),
    ],
)
def test_classifiers_of_scikit_learn_answer_alike(tmp_path, estimator, target, zipmap) -> None:
    estimator.fit(X, target)
    model = to_onnx(estimator, X[:1], options={id(estimator): {"zipmap": zipmap}})
    brought = from_onnx(save(tmp_path, model), Hints())
    label, probabilities = ask(brought, X)
    assert brought.schema.classes == tuple(estimator.classes_.tolist())
    assert np.abs(probabilities - estimator.predict_proba(X)).max() < 1e-6
    named = [v if isinstance(v, str) else brought.schema.classes[v] for v in label.tolist()]
    assert np.mean(np.asarray(named) == estimator.predict(X)) > 0.99  # single precision


def test_a_regression_has_names_that_were_given(tmp_path) -> None:
    model = LinearRegression().fit(X, X @ [1, 2, 3, 4])
    path = save(tmp_path, to_onnx(model, X[:1]))
    brought = from_onnx(path, Hints(features=("a", "b", "c", "d"), target="price"))
    assert brought.schema.names == ("a", "b", "c", "d")
    assert (brought.schema.task, brought.schema.target) == ("regression", "price")
    assert np.allclose(ask(brought, X)[0], model.predict(X), atol=1e-5)


def test_inputs_by_name_of_several_types_are_features(tmp_path) -> None:
    """A number in single precision, a whole one, a truth value, and text with its levels."""
    kinds = {"age": TensorProto.FLOAT, "rooms": TensorProto.INT64, "new": TensorProto.BOOL}
    inputs = [value(name, kind, ["n", 1]) for name, kind in kinds.items()]
    inputs.append(value("town", TensorProto.STRING, ["n", 1]))
    nodes = [
        helper.make_node("Cast", [name], [f"{name}_f"], to=TensorProto.FLOAT) for name in kinds
    ]
    nodes += [
        helper.make_node(
            "OneHotEncoder", ["town"], ["hot"], domain="ai.onnx.ml", cats_strings=["Ulm", "Bonn"]
        ),
        helper.make_node("Reshape", ["hot", "two"], ["flat"]),
        helper.make_node("Concat", ["age_f", "rooms_f", "new_f", "flat"], ["all"], axis=1),
        helper.make_node("MatMul", ["all", "w"], ["price"]),
    ]
    weights = np.array([[1], [10], [100], [1000], [2000]], dtype=np.float32)
    constants = [
        numpy_helper.from_array(weights, "w"),
        numpy_helper.from_array(np.array([-1, 2], dtype=np.int64), "two"),
    ]
    outputs = [value("price", TensorProto.FLOAT, ["n", 1])]
    opsets = [helper.make_opsetid("ai.onnx.ml", 3)]
    path = save(tmp_path, graph(nodes, inputs, outputs, constants, opsets=opsets))
    brought = from_onnx(path, Hints())
    assert [f.kind for f in brought.schema.features] == ["number", "number", "boolean", "category"]
    assert brought.schema.features[3].levels == ("Ulm", "Bonn")
    rows = [[5, 2, 1, 0], [5, 2, 0, 1], [5, np.nan, 1, -1]]  # the last: missing, an unseen level
    assert ask(brought, rows)[0].tolist() == [1125, 2025, 105]


def test_a_network_of_torch_needs_to_be_told_that_it_gives_logits(tmp_path) -> None:
    import torch

    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    program = torch.onnx.export(
        network, (torch.zeros(3, 4),), dynamo=True, verbose=False, input_names=["pixels"],
        dynamic_shapes=({0: torch.export.Dim("rows")},),
    )  # fmt: skip
    path = save(tmp_path, program.model_proto)
    with pytest.raises(EverloopError, match="--logits"):
        from_onnx(path, Hints())
    brought = from_onnx(path, Hints(logits=True, classes=("x", "y", "z")))
    with torch.no_grad():
        wanted = torch.softmax(network(torch.from_numpy(X)), 1).numpy()
    assert np.abs(ask(brought, X)[1] - wanted).max() < 1e-6
    assert brought.schema.task == "multiclass"


def test_an_image_with_channels_first_is_read_channels_last(tmp_path) -> None:
    inputs = [value("image", TensorProto.FLOAT, ["n", 3, 2, 2])]
    nodes = [
        helper.make_node("Slice", ["image", "from", "to", "axis"], ["red"]),
        helper.make_node("ReduceSum", ["red", "axes"], ["sum"], keepdims=0),
    ]
    constants = [
        numpy_helper.from_array(np.array(v, dtype=np.int64), k)
        for k, v in {"from": [0], "to": [1], "axis": [1], "axes": [1, 2, 3]}.items()
    ]
    model = graph(nodes, inputs, [value("sum", TensorProto.FLOAT, ["n"])], constants)
    brought = from_onnx(save(tmp_path, model), Hints())
    assert brought.schema.features == (Feature("image", "image", shape=(2, 2, 3)),)
    assert ask(brought, [[1, 9, 9] * 4, [2, 9, 9] * 4])[0].tolist() == [4, 8]


def test_data_beside_the_model_is_taken_in(tmp_path) -> None:
    model = LinearRegression().fit(X, X @ [1, 2, 3, 4])
    weights = numpy_helper.from_array(model.coef_.reshape(4, 1).astype(np.float32), "w")
    made = graph(
        [helper.make_node("MatMul", ["in", "w"], ["out"])],
        [value("in", TensorProto.FLOAT, ["n", 4])],
        [value("out", TensorProto.FLOAT, ["n", 1])],
        [weights],
    )
    path = save(
        tmp_path, made, save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    assert (tmp_path / "weights.bin").exists()
    brought = from_onnx(path, Hints())
    (tmp_path / "weights.bin").unlink()
    assert np.allclose(ask(brought, X)[0], X @ [1, 2, 3, 4], atol=1e-5)


@pytest.mark.parametrize(
    "location", ["../secret.bin", "/etc/passwd", "a/../../secret.bin", "link.bin", "gone.bin"]
)
def test_data_outside_of_the_folder_is_refused(tmp_path, location) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(b"\0" * 64)
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    with pytest.raises(EverloopError, match="the model's own folder") as refusal:
        from_onnx(external(folder, location), Hints())
    assert refusal.value.code == "external_data"


def test_data_that_is_shorter_than_it_says_is_refused(tmp_path) -> None:
    (tmp_path / "w.bin").write_bytes(b"\0" * 8)
    with pytest.raises(EverloopError, match="a part of the file's 8 bytes"):
        from_onnx(external(tmp_path, "w.bin", length=16), Hints())


def external(folder, location, length=16):
    tensor = numpy_helper.from_array(np.zeros((4, 1), dtype=np.float32), "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, text in {"location": location, "length": str(length)}.items():
        tensor.external_data.add(key=key, value=text)
    made = graph(
        [helper.make_node("MatMul", ["in", "w"], ["out"])],
        [value("in", TensorProto.FLOAT, ["n", 4])],
        [value("out", TensorProto.FLOAT, ["n", 1])],
        [tensor],
    )
    path = folder / "model.onnx"
    path.write_bytes(made.SerializeToString())
    return path


def identity(domain="", outputs=1, batch="n"):
    nodes = [
        helper.make_node("ReduceSum", ["in", "axes"], [f"out{i}"], keepdims=0, domain=domain)
        for i in range(outputs)
    ]
    return graph(
        nodes,
        [value("in", TensorProto.FLOAT, [batch, 4])],
        [value(f"out{i}", TensorProto.FLOAT, [batch]) for i in range(outputs)],
        [numpy_helper.from_array(np.array([1], dtype=np.int64), "axes")],
        opsets=[helper.make_opsetid("my.ops", 1)],
    )


def test_what_is_refused_says_why(tmp_path, monkeypatch) -> None:
    for model, reason in (
        (identity(domain="my.ops"), "my.ops:ReduceSum"),
        (identity(outputs=2), "--output"),
        (identity(batch=1), "dynamic batch axis"),
    ):
        with pytest.raises(EverloopError, match=reason):
            from_onnx(save(tmp_path, model), Hints())
    assert from_onnx(save(tmp_path, identity(outputs=2)), Hints(output="out1"))
    monkeypatch.setattr(limits, "MOST_NODES", 0)
    with pytest.raises(EverloopError, match="at most 0"):
        from_onnx(save(tmp_path, identity()), Hints())


def test_what_is_no_model_is_refused(tmp_path) -> None:
    path = tmp_path / "model.onnx"
    for data in (b"", b"\xff\xff\xff\xff", b"hello"):
        path.write_bytes(data)
        with pytest.raises(EverloopError, match="no ONNX model"):
            from_onnx(path, Hints())
    with path.open("wb") as file:
        file.truncate((1 << 30) + 1)  # takes no room on the disk
    with pytest.raises(EverloopError, match="at most 1,073,741,824"):
        from_onnx(path, Hints())
    link = tmp_path / "link.onnx"
    link.symlink_to(save(tmp_path, identity()))
    with pytest.raises(EverloopError, match="no link"):
        from_onnx(link, Hints())


def test_a_schema_that_does_not_fit_is_refused(tmp_path) -> None:
    path = save(tmp_path, identity())
    features = tuple(Feature(n, "number") for n in "abc")
    schema = Schema(features=features, target="y", task="regression")
    with pytest.raises(EverloopError, match="4 of them"):
        from_onnx(path, Hints(schema=schema))
