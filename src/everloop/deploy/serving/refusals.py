"""Why a body was refused, exactly: the path, what was got, what was expected, how to mend it.

Only bodies that msgspec or the feature readers have refused come here, so speed does not matter;
memory does, and never exceeds a few times the body.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from everloop.deploy.serving.features import FeatureReader, instant
from everloop.errors import InvalidInput, invalid, nearest

Key = tuple[str, str]  # (role, column): role is id, time, target or group

_NOT_FINITE = re.compile(rb"-?(NaN|Infinity)\b")
_BYTE = re.compile(r"\(byte (\d+)\)")
_AT = re.compile(r" - at `(.*)`$", re.DOTALL)
_NULL = "Send null for a missing value."


def empty() -> InvalidInput:
    """The refusal of a request without rows."""
    return invalid("$", "<no rows>", "at least one row", code="empty", path="$")


def explain(
    error: Exception, body: bytes, features: Sequence[FeatureReader], keys: Sequence[Key]
) -> InvalidInput:
    """The sentence for a body that ``error`` refused."""
    if isinstance(error, RecursionError):
        return _not_json("it is nested too deeply", body)
    if isinstance(error, UnicodeDecodeError):
        return _not_json("it is not UTF-8", body)
    if isinstance(error, msgspec.DecodeError) and not isinstance(error, msgspec.ValidationError):
        return _malformed(str(error), body)
    if "out of range" in str(error):
        return _out_of_range(str(error))
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as again:
        if "out of range" in str(again):
            return _out_of_range(str(again))
        return _malformed(str(again), body)
    found = _Look(features, keys).body(value)
    return found or invalid("body", "<another form>", f"the endpoint's schema ({error})", path="$")


def _malformed(reason: str, body: bytes) -> InvalidInput:
    place = _BYTE.search(reason)
    if place:
        token = _NOT_FINITE.match(body[int(place[1]) :]) or _NOT_FINITE.match(
            body[max(0, int(place[1]) - 1) :]
        )
        if token:
            return invalid(
                f"body at byte {place[1]}", f"<{token[0].decode()}>", "a finite number",
                code="not_finite", path="$", fix=_NULL,
            )  # fmt: skip
    return _not_json(reason[0].lower() + reason[1:], body)


def _not_json(reason: str, body: bytes) -> InvalidInput:
    got = "<an empty body>" if not body.strip() else f"<{len(body)} bytes>"
    return invalid("body", got, f"valid JSON ({reason})", code="invalid_json", path="$")


def _out_of_range(reason: str) -> InvalidInput:
    place = _AT.search(reason)
    path = place[1] if place else "$"
    return invalid(
        path, "<a number out of range>", "a finite number", code="not_finite", path=path, fix=_NULL
    )


class _Look:
    """Walks a decoded body and finds the first thing that the schema does not allow."""

    def __init__(self, features: Sequence[FeatureReader], keys: Sequence[Key]) -> None:
        self.features = features
        self.keys = keys
        self.names = [f.name for f in features]

    def body(self, value: Any) -> InvalidInput | None:
        if isinstance(value, list):
            return self._records(value, "$")
        if not isinstance(value, dict):
            return invalid(
                "$", value, "a list of records or an object of columns",
                code="mistyped_body", path="$",
            )  # fmt: skip
        first = next(iter(value.items()), (None, None))
        if not isinstance(first[1], list):
            return self._record(value, "$")
        if first[0] == "records" and "records" not in self.names:
            extra = [key for key in value if key != "records"]
            if extra:
                return invalid(
                    f"$.{extra[0][:100]}", extra[0], 'only "records"', code="unknown_column"
                )
            return self._records(first[1], "$.records")
        return self._columns(value)

    def _records(self, records: list[Any], path: str) -> InvalidInput | None:
        if not records:
            return empty()
        found = (self._record(record, f"{path}[{row}]") for row, record in enumerate(records))
        return next((error for error in found if error), None)

    def _record(self, record: Any, path: str) -> InvalidInput | None:
        if not isinstance(record, dict):
            return invalid(
                path, record, "an object with the model's columns", code="mistyped_body", path=path
            )
        if error := self._keys(record, path):
            return error
        for feature in self.features:
            place = f"{path}.{feature.name}"
            if error := self._value(feature, record[feature.name], place):
                return error
        for role, name in self.keys:
            if error := self._key(role, record.get(name), f"{path}.{name}"):
                return error
        return None

    def _columns(self, columns: dict[str, Any]) -> InvalidInput | None:
        if error := self._keys(columns, "$"):
            return error
        rows: int | None = None
        for name, values in columns.items():
            if values is None and name not in self.names:
                continue
            if not isinstance(values, list):
                return invalid(
                    f"$.{name}", values, "a list, as the other columns are",
                    code="mistyped_column",
                )  # fmt: skip
            rows = len(values) if rows is None else rows
            if len(values) != rows:
                return invalid(
                    f"$.{name}", f"<{len(values)} values>",
                    f"{rows} values, as the first column has", code="unequal_columns",
                )  # fmt: skip
        if not rows:
            return empty()
        return self._cells(columns)

    def _cells(self, columns: dict[str, Any]) -> InvalidInput | None:
        for feature in self.features:
            for row, value in enumerate(columns[feature.name]):
                if error := self._value(feature, value, f"$.{feature.name}[{row}]"):
                    return error
        for role, name in self.keys:
            for row, value in enumerate(columns.get(name) or ()):
                if error := self._key(role, value, f"$.{name}[{row}]"):
                    return error
        return None

    def _keys(self, given: dict[str, Any], path: str) -> InvalidInput | None:
        known = [*self.names, *(name for _, name in self.keys)]
        unknown = [name for name in given if name not in known]
        missing = [name for name in self.names if name not in given]
        if missing:
            name = missing[0]
            guess = nearest(name, [other for other in unknown[:100] if len(other) < 100])
            return invalid(
                f"{path}.{name}", "<missing>", f'the column "{name}"', code="missing_column",
                fix=f'Did you mean it by "{guess}"?' if guess else "Send null if it is unknown.",
            )  # fmt: skip
        if unknown:
            name = unknown[0][:100]
            guess = nearest(name, known)
            return invalid(
                f"{path}.{name}", name, "only the model's columns",
                code="unknown_column",
                fix=f'Did you mean "{guess}"?' if guess else "Leave it out.",
            )  # fmt: skip
        return None

    @staticmethod
    def _value(feature: FeatureReader, value: Any, path: str) -> InvalidInput | None:
        if feature.accepts(value):
            return None
        return invalid(path, value, feature.expected, code="mistyped_column", path=path)

    @staticmethod
    def _key(role: str, value: Any, path: str) -> InvalidInput | None:
        if value is None or role in ("target", "group"):
            return None
        if role == "id":
            good, expected = isinstance(value, str | int), "text or a whole number"
        else:
            good, expected = isinstance(value, str | int), "an ISO date and time"
            try:
                instant(value)
            except (ValueError, TypeError, AttributeError):
                good = False
        if good and not isinstance(value, bool):
            return None
        return invalid(path, value, expected, code="mistyped_column", path=path)
