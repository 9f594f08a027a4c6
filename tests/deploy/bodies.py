"""Bodies that every protocol answers, to be broken by tests, and JSON of every kind."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
from hypothesis import strategies as st
from serving_harness import ROW, TRIP

X = np.arange(8, dtype="<f4").reshape(2, 4)
TEXT = struct.pack("<I", 2) + b"UA"
TYPES = {"age": "FP64", "member": "BOOL"}


def tensor(name: str, value: Any) -> dict[str, Any]:
    return {"name": name, "datatype": TYPES.get(name, "BYTES"), "shape": [1], "data": [value]}


RAW = {"name": "X", "datatype": "FP32", "shape": [2, 4], "parameters": {"binary_data_size": 32}}
TENSORS = [tensor(name, value) for name, value in TRIP.items()]
MATRIX = {"name": "X", "datatype": "FP64", "shape": [2, 4], "data": X.tolist()}
COLUMNS = {name: [value] for name, value in TRIP.items()}
NATIVE, V1, V2, MLFLOW = (
    ("/endpoints/{}/predict", "/v1/models/{}:predict", "/v2/models/{}/infer",
     "/endpoints/{}/invocations")
)  # fmt: skip

# Path and JSON of requests that are answered.
GOOD: list[tuple[str, Any]] = [
    (NATIVE.format("flights"), [ROW, ROW]),
    (NATIVE.format("trips"), {"records": [TRIP]}),
    (NATIVE.format("trips"), COLUMNS),
    (NATIVE.format("flights"), X.tolist()),
    (V1.format("trips"), {"instances": [TRIP], "signature_name": "predict_proba"}),
    (V1.format("trips"), {"instances": [list(TRIP.values())]}),
    (V1.format("flights"), {"inputs": X.tolist()}),
    (V1.format("trips"), {"inputs": COLUMNS}),
    (V2.format("flights"), {"id": "a", "inputs": [MATRIX], "outputs": [{"name": "predict"}]}),
    (V2.format("trips"), {"inputs": TENSORS, "parameters": {"binary_data_output": True}}),
    (MLFLOW.format("trips"), {"dataframe_records": [TRIP], "params": {}}),
    (
        MLFLOW.format("trips"),
        {"dataframe_split": {"columns": list(TRIP), "index": [0], "data": [list(TRIP.values())]}},
    ),
    (MLFLOW.format("flights"), {"inputs": X.tolist()}),
    ("/endpoints/trips/feedback", [{"id": "1", "label": "yes"}]),
]
CSV = ",".join(TRIP) + "\n" + ",".join(map(str, TRIP.values())) + "\n"

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.sampled_from([
        10**400, -(2**63) - 1, 2**64, 1e308, -0.0, float("nan"), float("inf"), "\0", "\ud800",
        "NaN", "9" * 400, "2013-13-45", "FP64", "BYTES", -1, 2**31, "", {"b64": "!"}, [[]],
    ]),
)  # fmt: skip
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=8,
)


@st.composite
def broken(draw: Any, value: Any) -> Any:
    """The value with one place in it replaced, taken away, doubled or wrapped."""
    if isinstance(value, dict | list) and value and draw(st.integers(0, 4)):
        places = list(value) if isinstance(value, dict) else list(range(len(value)))
        place = draw(st.sampled_from(places))
        copy = value.copy()
        match draw(st.integers(0, 5)):
            case 0:
                del copy[place]
            case 1 if isinstance(value, dict):
                copy[draw(st.text(max_size=6))] = draw(anything)
            case 1:
                copy.append(copy[place])
            case _:
                copy[place] = draw(broken(copy[place]))
        return copy
    return draw(anything | st.just([value]) | st.just({"a": value}) | st.just([value] * 3))


@st.composite
def damaged(draw: Any, body: bytes) -> bytes:
    """The bytes with a few cut out, put in or turned over."""
    out = bytearray(body)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(out)))
        until = place + draw(st.integers(0, 3))
        out[place:until] = draw(st.binary(max_size=4) | st.sampled_from(list(TOKENS)))
    return bytes(out)


TOKENS = (b"[", b"{", b'"', b"\\u", b"\\ud800", b"\xff", b"\xc0\x80", b"1e999", b"NaN", b",", b"\0",
          b"-", b'"x0":', b"\xef\xbb\xbf", b"[" * 2000)  # fmt: skip


def dumped(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")
