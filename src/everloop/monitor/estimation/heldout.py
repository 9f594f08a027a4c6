"""The held-out rows of a champion, small enough to travel in its package as ``heldout.npz``.

Whoever estimates a score without labels has to know how the champion did where labels were known.
Kept are the labels, the answers and the probabilities of the rows it was tested on, and each
feature as one small code: the number of its quantile bin, or of its level. A row takes some forty
bytes, values are not kept, and what an estimator fits from the file (a calibration, a density
ratio, a model of the loss) takes it a second, so that nothing that was fitted has to be kept.
"""

from __future__ import annotations

import io
from typing import Any
from zipfile import BadZipFile

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from everloop.data.columns import as_text, hours
from everloop.data.schema import Feature, Schema
from everloop.errors import Integrity
from everloop.monitor.signals import signal

HELD_OUT = "heldout.npz"
MOST_ROWS = 50_000
MOST_BYTES = 8 << 20
BINS = 32  # of a number
MOST_LEVELS = 250  # of a category, the most frequent ones
MISSING, UNSEEN = 0, 255  # codes; those of bins and levels count from 1

Floats = NDArray[np.float64]
Codes = NDArray[np.uint8]


class Scale(msgspec.Struct, frozen=True):
    """How one feature becomes codes: by the inner edges of its bins, or by its levels.

    Of a number the first code is for what is below all that was seen and the last for what is
    above it.
    """

    name: str
    edges: tuple[float, ...] = ()
    levels: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """The largest code of a known value."""
        return len(self.levels) or len(self.edges) + 1

    def outside(self, codes: Codes) -> NDArray[np.bool_]:
        """Which values the held-out rows had nothing like."""
        if self.levels:
            return np.asarray(codes == UNSEEN)
        if not self.edges:
            return np.asarray(codes != MISSING)
        return np.asarray((codes == 1) | (codes == self.size))

    def told(self, low: int, high: int) -> str:
        """In words: the values with the codes ``low`` to ``high``."""
        if low == MISSING:
            return f"{self.name} missing"
        if self.levels:
            known = low <= len(self.levels)
            return f"{self.name} {self.levels[low - 1]!r}" if known else f"{self.name} unseen"
        first = None if low < 2 else self.edges[low - 2]
        last = None if high > len(self.edges) else self.edges[high - 1]
        if first is None or last is None:
            return f"{self.name} < {last:.4g}" if first is None else f"{self.name} ≥ {first:.4g}"
        return f"{first:.4g} ≤ {self.name} < {last:.4g}"


class HeldOut(msgspec.Struct, frozen=True):
    """n held-out rows in time order.

    ``codes`` n by the number of ``scales``; ``y`` and ``pred`` n codes or numbers; ``proba`` n by
    k, or None where numbers are answered.
    """

    scales: tuple[Scale, ...]
    codes: Codes
    y: NDArray[Any]
    pred: NDArray[Any]
    proba: Floats | None

    def __len__(self) -> int:
        return len(self.y)

    def without(self, hidden: frozenset[str]) -> HeldOut:
        """The same without some features: the log does not tell them."""
        kept = [i for i, scale in enumerate(self.scales) if scale.name not in hidden]
        scales = tuple(self.scales[i] for i in kept)
        return msgspec.structs.replace(self, scales=scales, codes=self.codes[:, kept])

    def encode(self, frame: pl.DataFrame, schema: Schema) -> Codes:
        """Codes of other rows; a feature that is not there is missing."""
        return codes_of(frame, self.scales, schema)

    def to_bytes(self) -> bytes:
        """The file, the same bytes for the same rows."""
        file = io.BytesIO()
        scales = np.frombuffer(msgspec.json.encode(self.scales), dtype=np.uint8)
        arrays: dict[str, Any] = {"codes": self.codes, "y": self.y, "pred": self.pred}
        if self.proba is not None:
            arrays["proba"] = self.proba.astype(np.float32)
        np.savez_compressed(file, allow_pickle=False, scales=scales, **arrays)
        return file.getvalue()


def read_held_out(data: bytes) -> HeldOut:
    """What :meth:`HeldOut.to_bytes` wrote. Raises :class:`~everloop.errors.Integrity`."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            scales = msgspec.json.decode(file["scales"].tobytes(), type=tuple[Scale, ...])
            proba = file["proba"].astype(np.float64) if "proba" in file else None
            return HeldOut(scales, file["codes"], file["y"], file["pred"], proba)
    except (ValueError, KeyError, OSError, EOFError, BadZipFile, msgspec.DecodeError) as error:
        raise Integrity(f"{HELD_OUT}: is not held-out rows ({error}).", path=HELD_OUT) from None


def hold(
    frame: pl.DataFrame,
    schema: Schema,
    y: NDArray[Any],
    pred: NDArray[Any],
    proba: Floats | None,
) -> HeldOut:
    """Keep held-out rows, evenly spaced ones where they are too many; those without label go.

    ``y`` and ``pred`` are n codes (a negative label is none) or numbers.
    """
    known = np.isfinite(y) & np.isfinite(pred)
    if not schema.numeric:
        known &= y >= 0
    if proba is not None:
        known &= np.isfinite(proba).all(axis=1)
    places = np.flatnonzero(known)
    width = len(schema.features) + 16 + (0 if proba is None else 4 * proba.shape[1])
    most = min(MOST_ROWS, MOST_BYTES // width)
    if len(places) > most:
        places = places[np.linspace(0, len(places) - 1, most).astype(np.int64)]
    kept = frame[places]
    scales = scales_of(kept, schema)
    kind = np.float64 if schema.numeric else np.int64
    return HeldOut(
        scales,
        codes_of(kept, scales, schema),
        y[places].astype(kind),
        pred[places].astype(kind),
        None if proba is None else proba[places].astype(np.float32).astype(np.float64),
    )


def scales_of(frame: pl.DataFrame, schema: Schema) -> tuple[Scale, ...]:
    """How each feature that ``frame`` has becomes codes."""
    return tuple(_scale(frame[f.name], f) for f in schema.features if f.name in frame.columns)


def _scale(column: pl.Series, feature: Feature) -> Scale:
    if feature.kind in ("category", "boolean"):
        levels = feature.levels if feature.kind == "category" else ("false", "true")
        return Scale(feature.name, levels=levels[:MOST_LEVELS])
    values = _numbers(column, feature)
    known = values[np.isfinite(values)]
    if not len(known):
        return Scale(feature.name)
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)))
    # The last edge lies beyond the largest value, which then is no outsider.
    return Scale(feature.name, edges=(*edges.tolist(), float(np.nextafter(edges[-1], np.inf))))


def codes_of(frame: pl.DataFrame, scales: tuple[Scale, ...], schema: Schema) -> Codes:
    """n by scales; a feature that is not there is missing."""
    features = {feature.name: feature for feature in schema.features}
    out = np.full((frame.height, len(scales)), MISSING, dtype=np.uint8)
    for i, scale in enumerate(scales):
        if scale.name in frame.columns and scale.name in features:
            out[:, i] = _codes(frame[scale.name], scale, features[scale.name])
    return out


def _codes(column: pl.Series, scale: Scale, feature: Feature) -> Codes:
    if scale.levels:
        text = as_text(column.cast(pl.Boolean, strict=False)) if _binary(column, feature) else None
        text = as_text(column) if text is None else text
        text = text.str.to_lowercase() if feature.kind == "boolean" else text
        found = text.cast(pl.Enum(scale.levels), strict=False).to_physical().cast(pl.Int64) + 1
        known = found.fill_null(UNSEEN).set(column.is_null(), MISSING)
        return known.to_numpy().astype(np.uint8)
    values = _numbers(column, feature)
    codes = np.searchsorted(np.asarray(scale.edges), values, side="right") + 1
    return np.where(np.isnan(values), MISSING, codes).astype(np.uint8)


def _binary(column: pl.Series, feature: Feature) -> bool:
    return feature.kind == "boolean" and column.dtype.is_numeric()


def _numbers(column: pl.Series, feature: Feature) -> Floats:
    """One number a value; what is none is NaN."""
    if feature.shape:
        return signal(column, feature)
    if feature.kind == "datetime":
        column = hours(column)
    return column.cast(pl.Float64, strict=False).to_numpy()
