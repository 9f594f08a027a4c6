"""What ``[monitor.log]`` keeps out of the prediction log, and what monitoring makes of the rest."""

from __future__ import annotations

import msgspec
import polars as pl

from everloop.data.pseudonyms import MASK, pseudonym
from everloop.data.schema import Schema
from everloop.data.spec import DataSpec
from everloop.deploy.state import LogRules
from everloop.durations import seconds
from everloop.errors import did_you_mean, invalid
from everloop.monitor.aspects.naming import column_of
from everloop.monitor.parts import FEATURE
from everloop.monitor.profile import CategorySketch, Profile, Sketch
from everloop.monitor.spec import LogSpec

WAYS = ("mask", "hash", "drop")


def rules_of(log: LogSpec, id: str | None) -> LogRules | None:
    """The rules for the data plane; None when it keeps everything as it comes."""
    if not log.hidden and log.sample == 1.0:
        return None
    hashed = tuple(name for name in log.hash if name != id)
    return LogRules(log.mask, hashed, log.drop, ids=id in log.hash, sample=log.sample)


def check_log(log: LogSpec, data: DataSpec) -> None:
    """Raise :class:`~everloop.errors.InvalidInput` for what the loop file itself shows wrong."""
    seen: dict[str, str] = {}
    for way in WAYS:
        for name in getattr(log, way):
            if name in seen:
                raise invalid(f"monitor.log.{way}", name, f"a column other than in {seen[name]}")
            if name in (data.time, data.target):
                role = "time" if name == data.time else "target"
                raise invalid(f"monitor.log.{way}", name, f"a column other than data.{role}")
            if name == data.id and way != "hash":
                fix = "Put it into monitor.log.hash, so that labels still find their rows."
                raise invalid(f"monitor.log.{way}", name, "a column other than data.id", fix=fix)
            seen[name] = way
    if not 0 < log.sample <= 1:
        raise invalid("monitor.log.sample", log.sample, "a share in (0, 1]")
    if log.keep:
        seconds(log.keep, "monitor.log.keep")


def check_columns(log: LogSpec, schema: Schema) -> None:
    """Raise :class:`~everloop.errors.InvalidInput` for a column that no request has."""
    known = [*schema.names, *schema.beside, *([schema.id] if schema.id else [])]
    for way in WAYS:
        for name in getattr(log, way):
            if name not in known:
                raise invalid(
                    f"monitor.log.{way}", name, "a feature or the id of the data",
                    code="unknown_column", fix=did_you_mean(name, known),
                )  # fmt: skip


def hidden_notes(log: LogSpec, schema: Schema) -> list[str]:
    """What a person should know about features that the log hides."""
    names = [name for name in schema.names if name in log.hidden]
    if not names:
        return []
    return [f"The log hides {', '.join(names)}: rows that come back from it train without."]


def beside_notes(log: LogSpec, schema: Schema) -> list[str]:
    """What a person should know about columns that no model reads and groups are looked at by."""
    return [
        f"monitor.log hides {name}, so windows cannot show its groups."
        if name in log.hidden
        else f"The model does not read {name}: a window knows its groups where requests carry it, "
        "which they may, or rows that are logged from elsewhere."
        for name in schema.beside
    ]


def schema_as_logged(schema: Schema, log: LogSpec, key: bytes) -> Schema:
    """The features that can be watched: those in the clear, and categories by their hashes."""
    features = []
    for feature in schema.features:
        if feature.name not in log.hidden:
            features.append(feature)
        elif feature.kind == "category" and feature.name in log.hash:
            levels = tuple(str(pseudonym(level, key)) for level in feature.levels)
            features.append(msgspec.structs.replace(feature, levels=levels))
    return msgspec.structs.replace(schema, features=tuple(features))


def profile_as_logged(profile: Profile, watched: Schema, log: LogSpec, key: bytes) -> Profile:
    """The champion's reference over the features of :func:`schema_as_logged`."""
    features = {
        name: _hashed(sketch, key) if name in log.hash else sketch
        for name, sketch in profile.features.items()
        if name in watched.names
    }
    aspects = {
        name: sketch
        for name, sketch in profile.aspects.items()
        if column_of(name)[0] in watched.names
    }
    return msgspec.structs.replace(profile, features=features, aspects=aspects)


def rows_as_logged(rows: pl.DataFrame, log: LogSpec, id: str | None, key: bytes) -> pl.DataFrame:
    """Rows of a part of the log as the data plane would have written them."""

    def hashed(column: str) -> pl.Series:
        values = rows[column]
        levels = values.unique().drop_nulls()
        names = [pseudonym(level, key) for level in levels.to_list()]
        return values.replace_strict(levels, names, default=None, return_dtype=pl.String)

    masked = [c for name in log.mask if (c := FEATURE + name) in rows.columns]
    to_hash = [c for name in log.hash if (c := FEATURE + name) in rows.columns]
    to_hash += ["id"] if id in log.hash else []
    return rows.with_columns(
        *(pl.when(pl.col(c).is_not_null()).then(pl.lit(MASK)).alias(c) for c in masked),
        *map(hashed, to_hash),
    ).drop([FEATURE + name for name in log.drop], strict=False)


def _hashed(sketch: Sketch, key: bytes) -> Sketch:
    if not isinstance(sketch, CategorySketch):
        return sketch
    return msgspec.structs.replace(
        sketch,
        levels=tuple(str(pseudonym(level, key)) for level in sketch.levels),
        examples=tuple(str(pseudonym(value, key)) for value in sketch.examples),
    )
