"""The profile that is kept of each window, and of each segment in it: small, and it merges.

A window's rows may be gone when somebody asks what they were like; its profile stays, in the
object store beside the reference that the window was compared with. Profiles of windows merge, so
a week is told from its days.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import msgspec
import polars as pl

from everloop.data.columns import as_text
from everloop.data.schema import Schema
from everloop.errors import Integrity, NotFound, invalid
from everloop.monitor.inputs import answers_of, feature_frame
from everloop.monitor.profile import PREDICTION
from everloop.monitor.summaries.columns import ColumnSummary
from everloop.monitor.summaries.levels import LevelSummary
from everloop.monitor.summaries.numbers import BRIEF
from everloop.monitor.summaries.table import TableProfile, read_table_profile
from everloop.monitor.windows import Window
from everloop.store.blobs import Blobs

UNSEEN = "(unseen)"
MOST_LEVELS = 20  # of a column that have a segment each, those most frequent in training first


class _State(msgspec.Struct, frozen=True):
    whole: bytes
    segments: dict[str, bytes]


class KeptProfile:
    """All rows of a window, and those of each segment by its name, such as ``carrier=AA``."""

    def __init__(self, whole: TableProfile, segments: dict[str, TableProfile]) -> None:
        self.whole, self.segments = whole, segments

    def of(self, segment: str | None) -> TableProfile:
        """Raises :class:`~everloop.errors.NotFound` for a segment without a row."""
        if segment is None:
            return self.whole
        if segment not in self.segments:
            known = ", ".join(sorted(self.segments)) or "none; monitor.segments names columns"
            raise NotFound(f"segment: no row is of {segment!r}. There are: {known}.")
        return self.segments[segment]

    def merge(self, other: KeptProfile) -> KeptProfile:
        """A profile of the rows of both."""
        segments = dict(self.segments)
        for name, found in other.segments.items():
            segments[name] = segments[name].merge(found) if name in segments else found
        return KeptProfile(self.whole.merge(other.whole), segments)

    def to_bytes(self) -> bytes:
        segments = {name: found.to_json() for name, found in self.segments.items()}
        return zlib.compress(msgspec.msgpack.encode(_State(self.whole.to_json(), segments)))


def read_kept(data: bytes) -> KeptProfile:
    """What :meth:`KeptProfile.to_bytes` wrote; raises :class:`~everloop.errors.Integrity`."""
    try:
        state = msgspec.msgpack.decode(zlib.decompress(data), type=_State)
    except (zlib.error, msgspec.DecodeError) as error:
        raise Integrity(f"profile: cannot be read ({error}).", path="profile") from None
    segments = {name: read_table_profile(found) for name, found in state.segments.items()}
    return KeptProfile(read_table_profile(state.whole), segments)


def profile_window(rows: pl.DataFrame, schema: Schema, segments: Sequence[str]) -> KeptProfile:
    """The profile of rows of the log: features, and answers under ``(prediction)``."""
    frame = feature_frame(rows, schema).with_columns(_answers(rows, schema), *_known(schema))
    found = {}
    for feature in schema.features:
        if feature.name in segments and feature.name in frame.columns:
            levels = feature.levels[:MOST_LEVELS] or ("true", "false")
            for level, part in frame.group_by(as_text(frame[feature.name]).alias("level")):
                if level[0] in levels:
                    found[f"{feature.name}={level[0]}"] = _profile(part, schema)
    return KeptProfile(_profile(frame, schema), found)


def _known(schema: Schema) -> list[pl.Expr]:
    """Levels that were in no training row as one: a rare value may tell of a person, and the
    profile stays when the rows are gone."""
    return [
        pl.when(pl.col(f.name).is_in(f.levels) | pl.col(f.name).is_null())
        .then(pl.col(f.name))
        .otherwise(pl.lit(UNSEEN))
        .alias(f.name)
        for f in schema.features
        if f.kind == "category"
    ]


def _profile(frame: pl.DataFrame, schema: Schema) -> TableProfile:
    made = TableProfile(size=BRIEF)
    for feature in schema.features:
        if feature.kind == "text":  # also where its texts are short
            column = made.columns[feature.name] = ColumnSummary("category", size=BRIEF)
            assert isinstance(column.summary, LevelSummary)
            column.summary.read_as_prose()
    made.add(frame)
    return made


def _answers(rows: pl.DataFrame, schema: Schema) -> pl.Series:
    values = pl.Series(PREDICTION, answers_of(rows, schema))
    if schema.task != "multiclass":
        return values
    names = [str(name) for name in schema.classes]
    codes = values.cast(pl.Int64, strict=False)
    return codes.replace_strict(range(len(names)), names, default=None, return_dtype=pl.String)


def kept_profile(blobs: Blobs, windows: Sequence[Window]) -> KeptProfile:
    """The profile of all rows in ``windows`` together.

    Raises :class:`~everloop.errors.NotFound` where none was kept.
    """
    digests = [w.checks["profile"] for w in windows if w.checks.get("profile")]
    if not digests:
        raise NotFound("profile: none is kept of these windows, which were looked at before.")
    found = read_kept(blobs.get(digests[0]))
    for digest in digests[1:]:
        found = found.merge(read_kept(blobs.get(digest)))
    return found


def check_segments(columns: Sequence[str], schema: Schema) -> None:
    """Raise :class:`~everloop.errors.InvalidInput` for what has no levels."""
    kinds = {feature.name: feature.kind for feature in schema.features}
    for name in columns:
        if kinds.get(name) not in ("category", "boolean"):
            raise invalid("monitor.segments", name, "a category or a boolean among the features")
