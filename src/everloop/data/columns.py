"""Columns of a frame as the kinds of a schema, or one sentence naming the first wrong value.

Every function takes a Polars series and returns one of the kind's type: ``number`` Float64,
``boolean`` Boolean, ``category`` and ``text`` String, ``datetime`` Datetime in milliseconds
without a zone, which always means UTC, ``image`` Binary (the bytes of a file), ``sequence`` a
list of Float64 or of such lists. Missing values (null, NaN) become null. Rows are counted from 1,
without the header.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import polars as pl

from everloop.data import images, sequences
from everloop.data.schema import Kind
from everloop.errors import InvalidInput, invalid

MILLIS = pl.Datetime("ms")
_ISO = (
    r"^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(:\d{2}(?:\.\d{1,9})?)?"
    r"(?:(Z)|([+-])(\d{2}):?(\d{2}))?)?$"
)
_TRUTH = {"true": True, "false": False}
# Whole numbers outside the first and the last are no instants; below the second they are seconds.
_EPOCH_LEAST, _EPOCH_SECONDS, _EPOCH_MOST = 10**8, 10**11, 253_402_300_800_000
_INSTANT = "a date and time, or seconds or milliseconds since 1970"


def as_kind(series: pl.Series, kind: Kind) -> pl.Series:
    """``series`` as the type of ``kind``.

    Raises :class:`~everloop.errors.InvalidInput` with the column, the row and the first value that
    is of another kind.
    """
    return _CONVERT[kind](series)


def is_text(series: pl.Series) -> bool:
    """Whether the column holds text (plain, categorical or enumerated)."""
    return isinstance(series.dtype, pl.String | pl.Categorical | pl.Enum)


def as_text(series: pl.Series) -> pl.Series:
    """The column as String; whole floats lose their ``.0`` so that 7 and 7.0 are one level."""
    if series.dtype.is_float():
        values = series.fill_nan(None)
        if bool((values == values.round(0)).all()):
            series = values.cast(pl.Int64, strict=False)
    if series.dtype == pl.Boolean:
        return series.cast(pl.String).rename(series.name)
    return series.cast(pl.String)


def as_number(series: pl.Series) -> pl.Series:
    """The column as Float64; text is accepted where it spells a number."""
    if series.dtype == pl.Null or series.dtype.is_numeric():
        numbers = series.cast(pl.Float64).fill_nan(None)
    elif is_text(series):
        text = as_text(series).str.strip_chars()
        numbers = text.cast(pl.Float64, strict=False).fill_nan(None)
        wrong = numbers.is_null() & text.is_not_null() & (text.str.to_lowercase() != "nan")
        refuse(series, wrong, "a number")
    else:
        numbers = pl.Series(series.name, [None], dtype=pl.Float64).new_from_index(0, len(series))
        refuse(series, series.is_not_null(), "a number")
    refuse(series, numbers.is_infinite(), "a finite number", fix="Leave it empty if it is unknown.")
    return numbers


def as_boolean(series: pl.Series) -> pl.Series:
    """The column as Boolean; the words true and false and the numbers 0 and 1 are accepted."""
    if series.dtype in (pl.Boolean, pl.Null):
        return series.cast(pl.Boolean)
    if is_text(series):
        words = as_text(series).str.strip_chars().str.to_lowercase()
        flags = words.replace_strict(_TRUTH, default=None, return_dtype=pl.Boolean)
    elif series.dtype.is_numeric():
        numbers = series.cast(pl.Float64).fill_nan(None)
        flags = numbers.replace_strict({0.0: False, 1.0: True}, default=None)
        flags, series = flags.cast(pl.Boolean), numbers
    else:
        flags = pl.Series(series.name, [None] * len(series), dtype=pl.Boolean)
    refuse(series, flags.is_null() & series.is_not_null(), "true or false")
    return flags


def as_datetime(series: pl.Series, expected: str = "an ISO date and time") -> pl.Series:
    """The column as milliseconds UTC; a value with a zone is converted, one without is UTC."""
    if isinstance(series.dtype, pl.Datetime):
        zoned = series.dt.convert_time_zone("UTC") if series.dtype.time_zone else series
        return zoned.dt.replace_time_zone(None).cast(MILLIS)
    if series.dtype in (pl.Date, pl.Null):
        return series.cast(MILLIS)
    if is_text(series):
        instants = parse_iso(as_text(series))
        wrong = instants.is_null() & series.is_not_null()
        refuse(series, wrong, f'{expected}, such as "2013-01-31 17:05"')
        return instants
    refuse(series, series.is_not_null(), expected)
    return series.cast(pl.Int64, strict=False).cast(MILLIS)


def as_instant(series: pl.Series) -> pl.Series:
    """Like :func:`as_datetime`, and whole numbers count from 1970 UTC.

    Up to 1e11 they are seconds, from there milliseconds; below 1e8 they are no instants.
    """
    if not series.dtype.is_integer():
        return as_datetime(series)
    count = series.cast(pl.Int64, strict=False)
    size = count.abs()
    fits = size.is_between(_EPOCH_LEAST, _EPOCH_MOST, closed="left").fill_null(False)
    refuse(series, series.is_not_null() & ~fits, _INSTANT)
    return count.set(size < _EPOCH_SECONDS, None).fill_null(count * 1000).cast(MILLIS)


def as_image(series: pl.Series) -> pl.Series:
    """The column as bytes of image files; base64 text and nested numbers are accepted."""
    if series.dtype == pl.Null:
        return series.cast(pl.Binary)
    found = [None if v is None else _image(series, row, v) for row, v in enumerate(_values(series))]
    return pl.Series(series.name, found, dtype=pl.Binary)


def as_sequence(series: pl.Series) -> pl.Series:
    """The column as lists; text is accepted where it spells a JSON list."""
    if series.dtype in (pl.List(pl.Float64), pl.List(pl.List(pl.Float64)), pl.Null):
        return series.cast(pl.List(pl.Float64)) if series.dtype == pl.Null else series
    found = []
    deep = False
    for row, value in enumerate(_values(series)):
        try:
            array = None if value is None else sequences.sequence_array(_listed(value))
        except ValueError:
            raise wrong_value(series, row, sequences.EXPECTED) from None
        deep |= array is not None and array.shape[1] > 1
        found.append(array)
    if not deep:
        flat = [None if a is None else a[:, 0].tolist() for a in found]
        return pl.Series(series.name, flat, dtype=pl.List(pl.Float64))
    rows = [None if a is None else a.tolist() for a in found]
    return pl.Series(series.name, rows, dtype=pl.List(pl.List(pl.Float64)))


def _values(series: pl.Series) -> list[Any]:
    if isinstance(series.dtype, pl.Categorical | pl.Enum):
        series = series.cast(pl.String)
    return series.to_list()


def _listed(value: Any) -> list[Any]:
    """A list, also where it is spelled as JSON. Raises ``ValueError``."""
    if isinstance(value, str):
        try:
            return msgspec.json.decode(value, type=list)
        except msgspec.DecodeError as error:
            raise ValueError(str(error)) from error
    if not isinstance(value, list):
        raise ValueError(value)
    return value


def _image(series: pl.Series, row: int, value: Any) -> bytes:
    try:
        if isinstance(value, str) and not value.startswith("["):
            value = images.image_bytes(value)
        if isinstance(value, bytes):
            images.image_shape(value)
            return value
        return images.to_png(_listed(value))
    except ValueError as error:
        expected = f"{images.EXPECTED} ({error})"
        raise wrong_value(series, row, expected, "Leave it empty if it is missing.") from None


def parse_iso(text: pl.Series) -> pl.Series:
    """ISO 8601 dates and times to milliseconds UTC; null where the text has another form."""
    frame = pl.DataFrame({"t": text.str.strip_chars()})
    parts = frame.select(pl.col("t").str.extract_groups(_ISO)).unnest("t")
    day, minute, second, _, sign, hours, minutes = (parts.to_series(i) for i in range(7))
    clock = minute.fill_null("00:00") + second.fill_null(":00")
    local = (day + "T" + clock).str.to_datetime(
        "%Y-%m-%dT%H:%M:%S%.f", time_unit="ms", strict=False
    )
    if sign.null_count() < len(sign):
        away = hours.cast(pl.Int64) * 60 + minutes.cast(pl.Int64)
        away = pl.select(pl.when(sign == "-").then(-away).otherwise(away)).to_series()
        local = (local.cast(pl.Int64) - away.fill_null(0) * 60_000).cast(MILLIS)
    return local.rename(text.name)


def hours(series: pl.Series) -> pl.Series:
    """The hour in UTC of dates and times of any type; of a date 0, of what is neither null.

    Monitors compare dates by it, so rows of training and those of requests, whose zones may be
    written in another way, must come to the same number.
    """
    series = parse_iso(as_text(series)) if is_text(series) else series
    if isinstance(series.dtype, pl.Datetime | pl.Date):
        return as_datetime(series).dt.hour()
    return series.cast(pl.Float64, strict=False) if series.dtype.is_numeric() else _none(series)


def _none(series: pl.Series) -> pl.Series:
    return pl.Series(series.name, [None] * len(series), dtype=pl.Float64)


def refuse(series: pl.Series, wrong: pl.Series, expected: str, *, fix: str | None = None) -> None:
    """Raise for the first row in which ``wrong`` is true; do nothing when there is none."""
    row = wrong.fill_null(False).arg_max()
    if row is not None and bool(wrong[row]):
        raise wrong_value(series, row, expected, fix)


def wrong_value(series: pl.Series, row: int, expected: str, fix: str | None = None) -> InvalidInput:
    """The sentence for one value of a column; ``row`` counts from 0 here."""
    return invalid(
        f'column "{series.name}" row {row + 1}',
        _shown(series[row]),
        expected,
        fix=fix,
        code="mistyped_column",
        path=f"$[{row}].{series.name}",
    )


def _shown(value: Any) -> Any:
    """A value as a sentence can show it."""
    if isinstance(value, bytes):
        return f"<{len(value):,} bytes>"
    return value.to_list() if isinstance(value, pl.Series) else value


_CONVERT: dict[str, Callable[[pl.Series], pl.Series]] = {
    "number": as_number,
    "boolean": as_boolean,
    "category": as_text,
    "datetime": as_instant,
    "text": as_text,
    "image": as_image,
    "sequence": as_sequence,
}
