"""From a request's body to the model's matrix, by types made for the schema.

msgspec decodes and checks in one pass; only a body that fails is looked at a second time, by
:mod:`everloop.deploy.serving.refusals`, to say exactly what is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from everloop.data.schema import Schema
from everloop.data.segments import Numbers
from everloop.deploy.serving.features import READERS, instant
from everloop.deploy.serving.refusals import empty, explain, explain_lists, explain_value
from everloop.errors import invalid

# An object's first key and the first character of its value tell records from columns.
_OBJECT = re.compile(rb'\s*\{\s*"((?:[^"\\]|\\.)*)"\s*:\s*(.)', re.DOTALL)
_KEY_TYPES: dict[str, tuple[Any, Any]] = {
    "id": (str | int | None, list[str | int | None] | None),
    "time": (str | int | None, list[str | int | None] | None),
    "target": (Any, list[Any] | None),
    "group": (Any, list[Any] | None),
    "beside": (str | int | float | bool | None, list[str | int | float | bool | None] | None),
}
_ARRAY = re.compile(rb"\s*\[")
_LISTS = re.compile(rb"\s*\[\s*\[")
_REFUSED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError)

Body = bytes | memoryview | msgspec.Raw


class Numeric(NamedTuple):
    """The features of kind number, and their columns of ``X``; None where they are all of it."""

    names: tuple[str, ...]
    places: list[int] | None

    def of(self, X: npt.NDArray[np.float64]) -> Numbers | None:
        """Their values as the log keeps them."""
        if not self.names:
            return None
        return Numbers(self.names, (X if self.places is None else X[:, self.places]).tobytes())


class Rows(NamedTuple):
    """What one request asks.

    ``X`` : float64, (n, ``schema.width``). ``ids`` and ``times`` (ms UTC): as the request gave
    them, None where it gave none. ``columns``: the features' values as they were sent, without
    those of kind number, which ``X`` holds as ``numeric`` says, and the columns beside them.
    ``marks`` : for each row what is not as expected of it, None where all are in order.
    """

    X: npt.NDArray[np.float64]
    ids: list[str | None] | None
    times: list[int | None] | None
    columns: dict[str, Sequence[Any]]
    numeric: Numeric
    marks: list[list[str]] | None = None

    def part(self, rows: Sequence[int]) -> Rows:
        """Some of the rows, by their places."""
        return Rows(
            self.X[list(rows)],
            None if self.ids is None else [self.ids[row] for row in rows],
            None if self.times is None else [self.times[row] for row in rows],
            {name: [values[row] for row in rows] for name, values in self.columns.items()},
            self.numeric,
            None if self.marks is None else [self.marks[row] for row in rows],
        )


class InputReader:
    """Reads the forms of a request for one schema: records, one record, rows, a dict of columns."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.features = [READERS[f.kind](f) for f in schema.features]
        self._names = schema.names
        self._width = len(self._names)
        spans, numbers = schema.spans, [f.name for f in schema.features if f.kind == "number"]
        every = len(numbers) == schema.width
        places = None if every else [spans[name].start for name in numbers]
        self._numeric = Numeric(tuple(numbers), places)
        self._others = [
            (place, f.name) for place, f in enumerate(schema.features) if f.kind != "number"
        ]
        self._plain = all(f.plain for f in self.features)
        taken = set(schema.names)
        keys = [
            ("id", schema.id),
            ("time", schema.time),
            ("target", schema.target),
            ("group", schema.group),
            *(("beside", name) for name in schema.beside),
        ]
        # Beside the features: (role, column) in the order of the generated types' last fields.
        self.keys = [(role, name) for role, name in keys if name and name not in taken]
        self._beside = [(i, name) for i, (role, name) in enumerate(self.keys) if role == "beside"]
        self._has_keys = any(role in ("id", "time", "beside") for role, _ in self.keys)
        self._record = self._struct("Record")
        self._records = msgspec.json.Decoder(list[self._record])  # type: ignore[name-defined]
        self._one = msgspec.json.Decoder(self._record)
        self._many = self._struct("Columns", many=True)
        self._columns = msgspec.json.Decoder(self._many)
        self._lists = msgspec.json.Decoder(
            list[  # type: ignore[misc]
                msgspec.defstruct(
                    "Listed",
                    [(f"f{place}", reader.type) for place, reader in enumerate(self.features)],
                    array_like=True,
                    forbid_unknown_fields=True,
                    gc=False,
                )
            ]
        )
        self._wrapped = msgspec.json.Decoder(
            msgspec.defstruct(
                "Wrapped",
                [("records", list[self._record])],  # type: ignore[name-defined]
                forbid_unknown_fields=True,
            )
        )

    def read(self, body: Body, root: str = "$") -> Rows:
        """Decode, check and encode a body, or the part of one that stands at ``root``.

        Raises :class:`~everloop.errors.InvalidInput` with the path, what was got and expected;
        its code is ``invalid_json`` when the body is no JSON at all.
        """
        given = bytes(body)
        if given[:2] != b"[{" and _LISTS.match(given):
            return self.read_lists(given, root)
        try:
            columns, tuples = self._decode(given)
            return self._rows(columns, tuples, root)
        except _REFUSED as error:
            raise explain(error, given, self.features, self.keys, root) from None

    def read_lists(self, body: Body, root: str = "$") -> Rows:
        """The same of rows without names, ``[[30, "UA", ...], ...]``, in the schema's order."""
        try:
            tuples = [msgspec.structs.astuple(row) for row in self._lists.decode(bytes(body))]
            return self._rows(self._transposed(tuples), tuples, root)
        except _REFUSED as error:
            raise explain_lists(error, bytes(body), self.features, root) from None

    def from_columns(self, columns: Mapping[str, Any], root: str = "$") -> Rows:
        """The same of values that were decoded already, a list for each column."""
        try:
            fields = msgspec.structs.astuple(msgspec.convert(columns, self._many))
            rows = self._rows(self._equal(list(fields)), None, root)
        except _REFUSED as error:
            raise explain_value(error, dict(columns), self.features, self.keys, root) from None
        _check_finite(rows.X, root)
        return rows

    def from_matrix(self, matrix: npt.NDArray[Any], root: str = "$") -> Rows:
        """The same of a matrix whose columns are the schema's features, in their order.

        Numbers and truth values need no look at each; any other kind goes by its own reader.
        """
        width = self._width
        if matrix.ndim != 2 or matrix.shape[1] != width:
            raise invalid(
                f"{root}.shape", list(matrix.shape), f"[rows, {width}]", code="wrong_shape",
                path=root,
            )  # fmt: skip
        if matrix.dtype.kind in "iuf" and not self._others:
            if not len(matrix):
                raise empty(root)
            X = np.ascontiguousarray(matrix, dtype=np.float64)
            _check_finite(X, root)
            return Rows(X, None, None, {}, self._numeric)
        columns = zip(self._names, matrix.T.tolist(), strict=True)
        return self.from_columns(dict(columns), root)

    def _decode(self, body: bytes) -> tuple[list[Sequence[Any]], list[tuple[Any, ...]] | None]:
        astuple = msgspec.structs.astuple
        if body[:1] == b"[" or _ARRAY.match(body):
            tuples = [astuple(record) for record in self._records.decode(body)]
            return self._transposed(tuples), tuples
        start = _OBJECT.match(body)
        if start and start[2] == b"[":
            if start[1] == b"records" and "records" not in self._names:
                wrapped: Any = self._wrapped.decode(body)
                tuples = [astuple(record) for record in wrapped.records]
                return self._transposed(tuples), tuples
            return self._equal(list(astuple(self._columns.decode(body)))), None
        tuples = [astuple(self._one.decode(body))]
        return self._transposed(tuples), tuples

    def _transposed(self, tuples: list[tuple[Any, ...]]) -> list[Sequence[Any]]:
        """Columns of rows; none where the rows are numbers and nothing else, as ``X`` is then."""
        if tuples and not self._others and not self._has_keys:
            return []
        return list(zip(*tuples, strict=True))

    def _rows(
        self,
        columns: list[Sequence[Any]],
        tuples: list[tuple[Any, ...]] | None,
        root: str = "$",
    ) -> Rows:
        width = self._width
        if not tuples and not (columns and columns[0]):
            raise empty(root)
        keys = columns[width:] if self._has_keys else ()
        ids, times = self._key_columns(keys) if keys else (None, None)
        if self._plain and tuples is not None:
            given = [row[:width] for row in tuples] if self.keys else tuples
            X = np.array(given, dtype=np.float64)
        else:
            X = self._matrix(columns[:width])
        others = {name: columns[place] for place, name in self._others}
        for place, name in self._beside if keys else ():
            if any(value is not None for value in keys[place]):
                others[name] = keys[place]
        return Rows(X, ids, times, others, self._numeric)

    def _matrix(self, features: list[Sequence[Any]]) -> npt.NDArray[np.float64]:
        columns: list[Sequence[Any]] = []
        for reader, values in zip(self.features, features, strict=True):
            if reader.plain:
                columns.append(values)
            else:
                columns += reader.columns(values)
        return np.ascontiguousarray(np.array(columns, dtype=np.float64).T)

    def _key_columns(
        self, given: Sequence[Sequence[Any]]
    ) -> tuple[list[str | None] | None, list[int | None] | None]:
        ids: list[str | None] | None = None
        times: list[int | None] | None = None
        for (role, _), values in zip(self.keys, given, strict=True):
            if role == "id" and any(value is not None for value in values):
                ids = [None if value is None else str(value) for value in values]
            elif role == "time" and any(value is not None for value in values):
                times = [None if value is None else instant(value) for value in values]
        return ids, times

    def _equal(self, columns: list[Any]) -> list[Sequence[Any]]:
        rows = len(columns[0])
        features = len(self._names)
        for place, values in enumerate(columns):
            if values is None and place >= features:
                columns[place] = [None] * rows
            elif len(values) != rows:
                raise ValueError("columns of unequal length")
        return columns

    def _struct(self, name: str, many: bool = False) -> type[msgspec.Struct]:
        """Fields are numbered, since a column may have any name in JSON."""
        fields: list[Any] = []
        for place, reader in enumerate(self.features):
            kind = list[reader.type] if many else reader.type  # type: ignore[name-defined]
            fields.append((f"f{place}", kind, msgspec.field(name=reader.name)))
        for place, (role, column) in enumerate(self.keys):
            one, several = _KEY_TYPES[role]
            field = msgspec.field(name=column, default=None)
            fields.append((f"k{place}", several if many else one, field))
        try:
            return msgspec.defstruct(name, fields, forbid_unknown_fields=True, gc=False)
        except ValueError:  # of a name; other models go on, and this one is never asked
            expected = "names of columns without quotes, backslashes and control characters"
            names = [reader.name for reader in self.features] + [name for _, name in self.keys]
            raise invalid("schema", names, expected, code="unfit_name") from None


def _check_finite(X: npt.NDArray[np.float64], root: str) -> None:
    """What does not come as JSON may hold infinities."""
    if np.isinf(X).any():
        raise invalid(root, "<infinity>", "finite numbers or NaN", code="not_finite", path=root)
