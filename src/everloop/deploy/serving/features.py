"""One reader for each kind of feature: its JSON type, and its columns of the model's matrix.

The values follow the table in :mod:`everloop.data.schema`, and equal what ``everloop.data.encode``
makes of the same values in a file.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

import numpy as np

from everloop.data import images, sequences, texts
from everloop.data.schema import Feature, Kind

Columns = list[Sequence[Any]]

_WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})")
_DECIMAL = re.compile(r"-?\d+\.\d+")
_DAY_MS, _HOUR_MS = 86_400_000, 3_600_000
# Whole numbers below the first bound are no instants; below the second they count seconds.
_EPOCH_LEAST, _EPOCH_SECONDS, _EPOCH_MOST = 10**8, 10**11, 253_402_300_800_000


class FeatureReader:
    """Base: what one feature takes from a request.

    Attributes
    ----------
    type : the annotation msgspec decodes with; every feature may be null.
    plain : the values go into the matrix as they are (null becomes NaN).
    expected : for the sentence of an error.
    json_types : the names of its types in JSON Schema.
    """

    type: Any
    plain: ClassVar[bool] = False
    expected: str
    json_types: tuple[str, ...]

    def __init__(self, feature: Feature) -> None:
        self.name = feature.name
        self.feature = feature

    def columns(self, values: Sequence[Any]) -> Columns:
        """The feature's columns of the matrix. Raises ``ValueError`` for a value it cannot read."""
        raise NotImplementedError

    def accepts(self, value: Any) -> bool:
        """Whether a decoded JSON value is one of this kind; only asked to explain a refusal."""
        raise NotImplementedError

    def json_schema(self) -> dict[str, Any]:
        """One value of the feature, for OpenAPI."""
        return {"type": [*self.json_types, "null"]}


class NumberReader(FeatureReader):
    type = float | None
    plain = True
    expected = "a number or null"
    json_types = ("number",)

    def columns(self, values: Sequence[Any]) -> Columns:
        return [values]

    def accepts(self, value: Any) -> bool:
        return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


class BooleanReader(FeatureReader):
    type = bool | None
    plain = True
    expected = "true, false or null"
    json_types = ("boolean",)

    def columns(self, values: Sequence[Any]) -> Columns:
        return [values]

    def accepts(self, value: Any) -> bool:
        return value is None or isinstance(value, bool)


class CategoryReader(FeatureReader):
    """Text; also numbers or truth values when the levels spell such. Unseen levels become -1."""

    def __init__(self, feature: Feature) -> None:
        super().__init__(feature)
        self._codes: dict[Any, float] = {}
        kinds: dict[str, type] = {"string": str}
        for code, level in enumerate(feature.levels):
            self._codes[level] = float(code)
            for kind, value in _spelled(level):
                kinds[kind] = type(value)
                self._codes.setdefault(value, float(code))
        if "number" in kinds:
            self._types: tuple[type, ...] = (str, int, float)
            self.type = str | int | float | None
        else:
            self._types = (str,)
            self.type = str | None
        if "boolean" in kinds:
            self._types += (bool,)
            self.type = self.type | bool
        self.expected = {1: "text or null", 2: "text, true, false or null"}.get(
            len(self._types), "text, a number or null"
        )
        self.json_types = tuple(kinds)

    @property
    def known(self) -> Collection[Any]:
        """The values that stand for a level."""
        return self._codes.keys()

    def columns(self, values: Sequence[Any]) -> Columns:
        code = self._codes.get
        return [[code(value, -1.0) for value in values]]

    def accepts(self, value: Any) -> bool:
        if isinstance(value, bool):
            return bool in self._types
        return value is None or isinstance(value, self._types)

    def json_schema(self) -> dict[str, Any]:
        return {**super().json_schema(), "examples": list(self.feature.levels[:3])}


class DatetimeReader(FeatureReader):
    """ISO text (UTC unless it names a zone), or whole seconds or milliseconds since 1970."""

    type = str | int | None
    expected = "an ISO date and time, milliseconds since 1970, or null"
    json_types = ("string", "integer")

    def columns(self, values: Sequence[Any]) -> Columns:
        nan = float("nan")
        parts = [(nan, nan, nan) if v is None else instant_parts(v) for v in values]
        return list(zip(*parts, strict=True))

    def accepts(self, value: Any) -> bool:
        if value is None:
            return True
        if isinstance(value, bool) or not isinstance(value, str | int):
            return False
        try:
            instant(value)
        except ValueError:
            return False
        return True


class TextReader(FeatureReader):
    """Words as their numbers, see :mod:`everloop.data.texts`."""

    type = str | None
    expected = "text or null"
    json_types = ("string",)

    def __init__(self, feature: Feature) -> None:
        super().__init__(feature)
        self._read = texts.text_reader(feature)

    def columns(self, values: Sequence[Any]) -> Columns:
        return list(zip(*map(self._read, values), strict=True))

    def accepts(self, value: Any) -> bool:
        return value is None or isinstance(value, str)


class _ArrayReader(FeatureReader):
    """Base of the kinds whose value is many numbers."""

    def row(self, value: Any) -> Any:
        """The value's numbers, ``feature.width`` of them. Raises ``ValueError``."""
        raise NotImplementedError

    def columns(self, values: Sequence[Any]) -> Columns:
        block = np.full((len(values), self.feature.width), np.nan)
        for place, value in enumerate(values):
            if value is not None:
                block[place] = self.row(value)
        return list(block.T)

    def accepts(self, value: Any) -> bool:
        if value is None:
            return True
        try:
            self.row(value)
        except (ValueError, TypeError):
            return False
        return True


class ImageReader(_ArrayReader):
    """A PNG or JPEG in base64, or its pixels as nested numbers, see :mod:`everloop.data.images`."""

    type = str | list[Any] | None
    json_types = ("string", "array")

    def __init__(self, feature: Feature) -> None:
        super().__init__(feature)
        height, width, channels = feature.shape
        self.expected = (
            f"a PNG or JPEG image in base64, {height} by {width} by {channels} numbers from 0 to "
            "255, or null"
        )

    def row(self, value: Any) -> Any:
        return images.pixels(value, self.feature.shape)

    def json_schema(self) -> dict[str, Any]:
        return {**super().json_schema(), "description": self.expected}


class SequenceReader(_ArrayReader):
    """A list of numbers, or of lists of them, see :mod:`everloop.data.sequences`."""

    type = list[Any] | None
    json_types = ("array",)

    def __init__(self, feature: Feature) -> None:
        super().__init__(feature)
        steps, channels = feature.shape
        each = "numbers" if channels == 1 else f"lists of {channels} numbers"
        self.expected = f"a list of {each}, of which the last {steps} are read, or null"

    def row(self, value: Any) -> Any:
        return sequences.last_steps(value, self.feature.shape)

    def json_schema(self) -> dict[str, Any]:
        return {**super().json_schema(), "description": self.expected}


READERS: dict[Kind, type[FeatureReader]] = {
    "number": NumberReader,
    "boolean": BooleanReader,
    "category": CategoryReader,
    "datetime": DatetimeReader,
    "text": TextReader,
    "image": ImageReader,
    "sequence": SequenceReader,
}


def instant(value: str | int) -> int:
    """Milliseconds since 1970 UTC. Raises ``ValueError``."""
    if isinstance(value, int):
        if not _EPOCH_LEAST <= abs(value) < _EPOCH_MOST:
            raise ValueError(value)
        return value * 1000 if abs(value) < _EPOCH_SECONDS else value
    moment = datetime.fromisoformat(value.strip())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    delta = moment - _EPOCH
    return delta.days * _DAY_MS + delta.seconds * 1000 + delta.microseconds // 1000


def instant_parts(value: str | int) -> tuple[float, float, float]:
    """Month, weekday (Monday is 0) and hour with its fraction, in UTC."""
    days, rest = divmod(instant(value), _DAY_MS)
    day = datetime.fromordinal(days + _EPOCH_DAY)
    return float(day.month), float(day.weekday()), rest / _HOUR_MS


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = _EPOCH.toordinal()


def _spelled(level: str) -> list[tuple[str, Any]]:
    """The JSON values that a level's text stands for, beside the text."""
    if _WHOLE.fullmatch(level):
        return [("number", int(level))]
    if _DECIMAL.fullmatch(level):
        return [("number", float(level))]
    if level in ("true", "false"):
        return [("boolean", level == "true")]
    return []
