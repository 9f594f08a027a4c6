"""A network that TensorFlow 2.21 saved through tf2onnx 1.17: registered, and answering the same.

``Sequential([Input(3), Dense(8, "relu"), Dense(2, "softmax")])`` with random weights, opset 15; the
answers are TensorFlow's own.
"""

from __future__ import annotations

import base64
from pathlib import Path

import polars as pl
import pytest

import everloop as el
from everloop.loop.batches.frames import predict_frame
from everloop.loop.project import Project

MODEL = """
CAgSB3RmMm9ubngaCzEuMTcuMCBOb25lOswGCncKBWlucHV0CipzZXF1ZW50aWFsXzEvZGVuc2VfMS9DYXN0L1JlYWRWYXJp
YWJsZU9wOjASHXNlcXVlbnRpYWxfMS9kZW5zZV8xL01hdE11bDowGhtzZXF1ZW50aWFsXzEvZGVuc2VfMS9NYXRNdWwiBk1h
dE11bApdCh1zZXF1ZW50aWFsXzEvZGVuc2VfMS9NYXRNdWw6MBIbc2VxdWVudGlhbF8xL2RlbnNlXzEvUmVsdTowGhlzZXF1
ZW50aWFsXzEvZGVuc2VfMS9SZWx1IgRSZWx1CpMBChtzZXF1ZW50aWFsXzEvZGVuc2VfMS9SZWx1OjAKLHNlcXVlbnRpYWxf
MS9kZW5zZV8xXzIvQ2FzdC9SZWFkVmFyaWFibGVPcDowEh9zZXF1ZW50aWFsXzEvZGVuc2VfMV8yL01hdE11bDowGh1zZXF1
ZW50aWFsXzEvZGVuc2VfMV8yL01hdE11bCIGTWF0TXVsClYKH3NlcXVlbnRpYWxfMS9kZW5zZV8xXzIvTWF0TXVsOjASCklk
ZW50aXR5OjAaHnNlcXVlbnRpYWxfMS9kZW5zZV8xXzIvU29mdG1heCIHU29mdG1heBIHdGYyb25ueCp2CAgIAhABQixzZXF1
ZW50aWFsXzEvZGVuc2VfMV8yL0Nhc3QvUmVhZFZhcmlhYmxlT3A6MEpArAJcPhFukL78Y5c+5VC4vmLb0L58lWI+aO/avQiG
Vb7s932+ePWOPYAuFb2t1/e+LM+1PpP0Rb/gpxI/wO5BPyqUAQgDCAgQAUIqc2VxdWVudGlhbF8xL2RlbnNlXzEvQ2FzdC9S
ZWFkVmFyaWFibGVPcDowSmAeC9O+IIcLv2hEST6E7wK/ugPaPlYiNr9IWgO/3+4Zv9K3xT56YO0+BJ0QPmJGqz7eUqQ+ISgH
vzt+Mr8FwTY/suHGPsrDBr9wPwi97o8gv5TFn74A++i8z3YbP3IpIL9SKWNvbnZlcnRlZCBmcm9tIGInX19pbmZlcmVuY2Vf
PGxhbWJkYT5fNjInWh0KBWlucHV0EhQKEggBEg4KCBIGdW5rX182CgIIA2IiCgpJZGVudGl0eTowEhQKEggBEg4KCBIGdW5r
X183CgIIAkIECgAQD0IOCgphaS5vbm54Lm1sEAI=
"""
ROWS = [
    [0.1257302, -0.1321049, 0.6404226],
    [0.1049001, -0.5356694, 0.3615951],
    [1.304, 0.947081, -0.7037352],
    [-1.2654215, -0.6232744, 0.041326],
    [-2.3250308, -0.2187917, -1.245911],
]
ANSWERS = [0.367607, 0.332464, 0.643436, 0.101059, 0.06415]


def test_a_network_of_tensorflow_is_registered_and_answers(tmp_path: Path) -> None:
    (tmp_path / "tf.onnx").write_bytes(base64.b64decode(MODEL))
    how = {"features": ["a", "b", "c"], "classes": ["no", "yes"], "logits": False}
    el.register(tmp_path / "tf.onnx", "net", dir=tmp_path, **how)
    rows = pl.DataFrame(ROWS, schema=["a", "b", "c"], orient="row")
    with Project.open(tmp_path) as project:
        found = predict_frame(project, rows, project.registry.resolve("net"))
    sure = [max(p, 1 - p) for p in ANSWERS]
    assert found["y_pred"].to_list() == ["yes" if p > 0.5 else "no" for p in ANSWERS]
    assert found["probability"].to_list() == pytest.approx(sure, abs=1e-5)
