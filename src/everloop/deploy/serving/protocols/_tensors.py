"""Tensors of the Open Inference Protocol: from JSON or raw bytes to columns, and back.

Raw bytes are little-endian, row by row, without padding; an element of ``BYTES`` is its length in
four bytes and then its text. What a size or a shape claims is checked before anything is made of
it, so that memory never exceeds a few times the body.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from everloop.data.schema import SEPARATOR, Feature, Schema
from everloop.deploy.serving.core import Answer
from everloop.deploy.serving.inputs import InputReader, Rows
from everloop.errors import InvalidInput, invalid, not_one_of

DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype("?"),
    **{f"INT{8 * size}": np.dtype(f"<i{size}") for size in (1, 2, 4, 8)},
    **{f"UINT{8 * size}": np.dtype(f"<u{size}") for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
}
BYTES = "BYTES"
PREDICT, PROBABILITIES = "predict", "predict_proba"
MOST_DIMENSIONS = 8
MOST_TENSORS = 10_000

_LENGTH = struct.Struct("<I")
# What an element may be in JSON; null is a missing value.
_LISTS: dict[str, Any] = {
    "BOOL": list[bool | None],
    BYTES: list[str | None],
    **dict.fromkeys((name for name in DTYPES if "INT" in name), list[int | None]),
    **dict.fromkeys((name for name in DTYPES if name.startswith("FP")), list[float | None]),
}
_FLAT = {name: msgspec.json.Decoder(kind) for name, kind in _LISTS.items()}


class Tensor(NamedTuple):
    """A checked tensor. ``values`` : an array of ``shape``, or a flat list with gaps or texts."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: npt.NDArray[Any] | list[Any]

    def columns(self) -> Sequence[Any]:
        """One value a row: a scalar, or nested lists of what lies behind the first dimension."""
        inner = self.shape[1:]
        if inner in ((), (1,)):
            values = self.values
            return values.ravel().tolist() if isinstance(values, np.ndarray) else values
        array = np.asarray(self.values, dtype=None if self.datatype != BYTES else object)
        listed: list[Any] = array.reshape(self.shape).tolist()
        return listed


def check_shape(shape: Sequence[int], datatype: str, path: str) -> tuple[int, ...]:
    """The shape of an input, whose first dimension is that of the rows. Raises InvalidInput."""
    if datatype not in _LISTS:
        raise not_one_of(f"{path}.datatype", datatype[:40], _LISTS)
    if not 1 <= len(shape) <= MOST_DIMENSIONS or any(size < 0 for size in shape):
        expected = f"1 to {MOST_DIMENSIONS} dimensions of 0 or more"
        raise invalid(f"{path}.shape", list(shape[:20]), expected, code="wrong_shape")
    return tuple(shape)


def from_json(name: str, datatype: str, shape: tuple[int, ...], data: bytes, path: str) -> Tensor:
    """A tensor whose data is a JSON list, flat or nested as its shape says."""
    try:
        flat: list[Any] = _FLAT[datatype].decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        flat = _flattened(data, datatype, len(shape), path)
    return from_values(name, datatype, shape, flat, path)


def from_values(
    name: str, datatype: str, shape: tuple[int, ...], flat: list[Any], path: str
) -> Tensor:
    """A tensor of a flat list whose elements have the datatype's kind, or are None."""
    _check_count(len(flat), shape, path)
    if datatype == BYTES or None in flat:
        if datatype.startswith("FP"):
            flat = [np.nan if value is None else value for value in flat]
            return Tensor(name, datatype, shape, np.array(flat, dtype=np.float64).reshape(shape))
        return Tensor(name, datatype, shape, flat)
    # JSON writes numbers in full: rounding them to the declared width would only lose digits.
    wide = np.float64 if datatype.startswith("FP") else DTYPES[datatype]
    try:
        return Tensor(name, datatype, shape, np.array(flat, dtype=wide).reshape(shape))
    except OverflowError:
        raise invalid(
            f"{path}.data", "<a number beyond the type>", f"numbers that {datatype} holds",
            code="out_of_range",
        ) from None  # fmt: skip


def from_bytes(
    name: str, datatype: str, shape: tuple[int, ...], data: memoryview, path: str
) -> Tensor:
    """A tensor whose data is raw bytes."""
    if datatype == BYTES:
        texts = _texts(data, prod(shape), path)
        return Tensor(name, datatype, shape, texts)
    dtype = DTYPES[datatype]
    wanted = prod(shape) * dtype.itemsize
    if len(data) != wanted:
        raise invalid(
            f"{path}.parameters.binary_data_size", len(data),
            f"{wanted} bytes for {datatype} of shape {list(shape)}", code="wrong_size",
        )  # fmt: skip
    return Tensor(name, datatype, shape, np.frombuffer(data, dtype).reshape(shape))


def read_tensors(tensors: Sequence[Tensor], reader: InputReader) -> Rows:
    """Rows from one tensor for each column, or from a single one that holds all columns."""
    names = {feature.name for feature in reader.schema.features}
    first = tensors[0]
    if len(tensors) == 1 and first.name not in names:
        return _read_matrix(first, reader)
    columns: dict[str, Sequence[Any]] = {}
    for tensor in tensors:
        if tensor.name in columns:
            raise invalid(f"$.inputs.{tensor.name[:100]}", tensor.name[:100], "each name once")
        columns[tensor.name] = tensor.columns()
    return reader.from_columns(columns, "$.inputs")


def outputs(answer: Answer, schema: Schema) -> dict[str, Tensor]:
    """The tensors of an answer, by name; several labels of a row are one text, ``a;b``."""
    rows = len(answer.y)
    datatype = answer_type(schema)
    if schema.task == "multilabel":
        y: Any = [SEPARATOR.join(labels) for labels in answer.y]
    else:
        y = answer.y if datatype == BYTES else np.array(answer.y, dtype=DTYPES[datatype])
    found = {PREDICT: Tensor(PREDICT, datatype, (rows,), y)}
    if answer.p is not None:
        p = np.asarray(answer.p, dtype=np.float64)
        found[PROBABILITIES] = Tensor(PROBABILITIES, "FP64", p.shape, p)
    return found


def check_outputs(wanted: Sequence[str], schema: Schema) -> None:
    """Refuse names that are no outputs, before the model is asked. Raises InvalidInput."""
    known = [output["name"] for output in described_outputs(schema)] if wanted else []
    for place, name in enumerate(wanted):
        if name not in known:
            raise invalid(f"$.outputs[{place}].name", name[:100], "one of " + ", ".join(known))


def answer_type(schema: Schema) -> str:
    """The datatype of the labels or numbers that a model answers."""
    kinds = {type(label) for label in schema.classes}
    for kind, datatype in ((bool, "BOOL"), (int, "INT64"), (float, "FP64")):
        if kinds <= {kind}:
            return "FP64" if schema.numeric else datatype
    return BYTES


def described(feature: Feature) -> dict[str, Any]:
    """An input in a model's metadata; -1 stands for any number of rows."""
    datatype = {"number": "FP64", "boolean": "BOOL", "image": "UINT8", "sequence": "FP64"}
    inner = feature.shape if feature.kind in ("image", "sequence") else ()
    kind = datatype.get(feature.kind, BYTES)
    return {"name": feature.name, "datatype": kind, "shape": [-1, *inner]}


def to_bytes(tensor: Tensor) -> bytes:
    """The raw form of an output."""
    if isinstance(tensor.values, np.ndarray):
        return tensor.values.tobytes()
    encoded = [str(value).encode() for value in tensor.values]
    return b"".join(_LENGTH.pack(len(text)) + text for text in encoded)


def to_values(tensor: Tensor) -> list[Any]:
    """The flat list of an output."""
    values = tensor.values
    return values.ravel().tolist() if isinstance(values, np.ndarray) else values


def _read_matrix(tensor: Tensor, reader: InputReader) -> Rows:
    features = reader.schema.features
    path = f"$.inputs.{tensor.name[:100]}"
    if len(features) == 1 and tensor.shape[1:] not in ((), (1,)):
        return reader.from_columns({features[0].name: tensor.columns()}, path)
    wanted = (len(features),)
    if tensor.shape[1:] != wanted and not (tensor.shape[1:] == () and len(features) == 1):
        raise invalid(
            f"{path}.shape", list(tensor.shape), f"[rows, {len(features)}], or an input for each "
            "column", code="wrong_shape", fix="Metadata lists the columns.",
        )  # fmt: skip
    if isinstance(tensor.values, np.ndarray):
        return reader.from_matrix(tensor.values.reshape(-1, len(features)), path)
    width = len(features)
    columns = {f.name: tensor.values[place::width] for place, f in enumerate(features)}
    return reader.from_columns(columns, path)


def _flattened(data: bytes, datatype: str, depth: int, path: str) -> list[Any]:
    """Nested lists as one; they may be no deeper than the shape is long."""
    try:
        values = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(f"{path}.data", "<no JSON>", f"a list ({error})", code="bad_data") from None
    if not isinstance(values, list):
        raise invalid(f"{path}.data", values, "a list", code="bad_data")
    for _ in range(depth - 1):
        if not any(isinstance(value, list) for value in values):
            break
        if not all(isinstance(value, list) for value in values):
            raise invalid(f"{path}.data", "<lists beside values>", "one or the other")
        values = [value for part in values for value in part]
    try:
        flat: list[Any] = msgspec.convert(values, _LISTS[datatype])
    except msgspec.ValidationError as error:
        raise InvalidInput(
            f"{path}.data: {str(error)[:300]}; the datatype is {datatype}.",
            code="mistyped_data", path=f"{path}.data",
        ) from None  # fmt: skip
    return flat


def _check_count(count: int, shape: tuple[int, ...], path: str) -> None:
    if count != prod(shape):
        raise invalid(
            f"{path}.data", f"<{count} values>", f"{prod(shape)} values for shape {list(shape)}",
            code="wrong_size",
        )  # fmt: skip


def _texts(data: memoryview, count: int, path: str) -> list[Any]:
    """The texts of a raw tensor of BYTES; each takes four bytes at least."""
    if count * _LENGTH.size > len(data):
        expected = f"{count} texts with their lengths"
        raise invalid(f"{path}.data", f"<{len(data)} bytes>", expected, code="wrong_size")
    texts: list[Any] = []
    place = 0
    for _ in range(count):
        if place + _LENGTH.size > len(data):
            raise invalid(f"{path}.data", "<a text cut off>", f"{count} texts", code="wrong_size")
        (length,) = _LENGTH.unpack_from(data, place)
        place += _LENGTH.size
        if place + length > len(data):
            got = f"<a length of {length}>"
            expected = f"at most the {len(data) - place} bytes that follow"
            raise invalid(f"{path}.data[{len(texts)}]", got, expected, code="wrong_size")
        try:
            texts.append(str(data[place : place + length], "utf-8"))
        except UnicodeDecodeError:
            at = f"{path}.data[{len(texts)}]"
            raise invalid(at, "<bytes>", "UTF-8 text", code="not_utf8") from None
        place += length
    if place != len(data):
        left = f"<{len(data) - place} bytes too many>"
        raise invalid(f"{path}.data", left, f"{count} texts and nothing else", code="wrong_size")
    return texts


def metadata(schema: Schema) -> Mapping[str, list[dict[str, Any]]]:
    """Inputs and outputs of a model, as the protocol describes them."""
    inputs = [described(feature) for feature in schema.features]
    return {"inputs": inputs, "outputs": described_outputs(schema)}


def described_outputs(schema: Schema) -> list[dict[str, Any]]:
    """The outputs alone."""
    wide = len(schema.classes) or len(schema.quantiles)
    found: list[dict[str, Any]] = [
        {"name": PREDICT, "datatype": answer_type(schema), "shape": [-1]}
    ]
    if wide:
        found.append({"name": PROBABILITIES, "datatype": "FP64", "shape": [-1, wide]})
    return found
