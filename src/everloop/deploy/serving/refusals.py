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
from everloop.errors import InvalidInput, did_you_mean, invalid, nearest

Key = tuple[str, str]  # (role, column): role is id, time, target or group

_NOT_FINITE = re.compile(rb"-?(NaN|Infinity)\b")
_BYTE = re.compile(r"\(byte (\d+)\)")
_AT = re.compile(r" - at `(.*)`$", re.DOTALL)
_NULL = "Send null for a missing value."


def empty(root: str = "$") -> InvalidInput:
    """The refusal of a request without rows."""
    return invalid(root, "<no rows>", "at least one row", code="empty", path=root)


def explain(
    error: Exception,
    body: bytes,
    features: Sequence[FeatureReader],
    keys: Sequence[Key],
    root: str = "$",
) -> InvalidInput:
    """The sentence for a body that ``error`` refused; its rows stand at ``root``."""
    value = _decoded(error, body)
    if isinstance(value, InvalidInput):
        return value
    return explain_value(error, value, features, keys, root)


def explain_lists(
    error: Exception, body: bytes, features: Sequence[FeatureReader], root: str
) -> InvalidInput:
    """The same of rows without names."""
    value = _decoded(error, body)
    if isinstance(value, InvalidInput):
        return value
    found = _Look(features, ()).lists(value, root)
    return found or _unexplained(error, root)


def explain_value(
    error: Exception,
    value: Any,
    features: Sequence[FeatureReader],
    keys: Sequence[Key],
    root: str,
) -> InvalidInput:
    """The same of a body that was decoded."""
    return _Look(features, keys).body(value, root) or _unexplained(error, root)


def _unexplained(error: Exception, root: str) -> InvalidInput:
    return invalid(
        "body", "<another form>", f"the endpoint's schema ({str(error)[:300]})", path=root
    )


def _decoded(error: Exception, body: bytes) -> Any:
    """The body's value, or the sentence that says why it has none."""
    if isinstance(error, RecursionError):
        return _not_json("it is nested too deeply", body)
    if isinstance(error, UnicodeDecodeError):
        return _not_json("it is not UTF-8", body)
    if isinstance(error, msgspec.DecodeError) and not isinstance(error, msgspec.ValidationError):
        return _malformed(str(error), body)
    if "out of range" in str(error):
        return _out_of_range(str(error))
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as again:
        if "out of range" in str(again):
            return _out_of_range(str(again))
        return _malformed(str(again), body)


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

    def body(self, value: Any, root: str) -> InvalidInput | None:
        if isinstance(value, list):
            return self._records(value, root)
        if not isinstance(value, dict):
            return invalid(
                root, value, "a list of records or an object of columns",
                code="mistyped_body", path=root,
            )  # fmt: skip
        first = next(iter(value.items()), (None, None))
        if not isinstance(first[1], list):
            return self._record(value, root)
        if first[0] == "records" and "records" not in self.names:
            extra = [key for key in value if key != "records"]
            if extra:
                return invalid(
                    f"{root}.{extra[0][:100]}", extra[0], 'only "records"', code="unknown_column"
                )
            return self._records(first[1], f"{root}.records")
        return self._columns(value, root)

    def lists(self, value: Any, root: str) -> InvalidInput | None:
        """Rows without names, whose values stand in the order of the features."""
        if not isinstance(value, list):
            return invalid(root, value, "a list of rows", code="mistyped_body", path=root)
        if not value:
            return empty(root)
        width = len(self.features)
        for row, given in enumerate(value):
            place = f"{root}[{row}]"
            if not isinstance(given, list) or len(given) != width:
                got = f"<{len(given)} values>" if isinstance(given, list) else given
                names = ", ".join(self.names[:10]) + (", …" if width > 10 else "")
                return invalid(
                    place, got, f"{width} values: {names}", code="mistyped_body", path=place
                )
            for column, feature in enumerate(self.features):
                if error := self._value(feature, given[column], f"{place}[{column}]"):
                    return error
        return None

    def _records(self, records: list[Any], path: str) -> InvalidInput | None:
        if not records:
            return empty(path)
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

    def _columns(self, columns: dict[str, Any], root: str) -> InvalidInput | None:
        if error := self._keys(columns, root):
            return error
        rows: int | None = None
        for name, values in columns.items():
            if values is None and name not in self.names:
                continue
            if not isinstance(values, list):
                return invalid(
                    f"{root}.{name}", values, "a list, as the other columns are",
                    code="mistyped_column",
                )  # fmt: skip
            rows = len(values) if rows is None else rows
            if len(values) != rows:
                return invalid(
                    f"{root}.{name}", f"<{len(values)} values>",
                    f"{rows} values, as the first column has", code="unequal_columns",
                )  # fmt: skip
        if not rows:
            return empty(root)
        return self._cells(columns, root)

    def _cells(self, columns: dict[str, Any], root: str) -> InvalidInput | None:
        for feature in self.features:
            for row, value in enumerate(columns[feature.name]):
                if error := self._value(feature, value, f"{root}.{feature.name}[{row}]"):
                    return error
        for role, name in self.keys:
            for row, value in enumerate(columns.get(name) or ()):
                if error := self._key(role, value, f"{root}.{name}[{row}]"):
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
            return invalid(
                f"{path}.{name}", name, "only the model's columns",
                code="unknown_column",
                fix=did_you_mean(name, known) or "Leave it out.",
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
        if role == "beside":
            if isinstance(value, str | int | float):
                return None
            expected = "text, a number, true or false"
            return invalid(path, value, expected, code="mistyped_column", path=path)
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
