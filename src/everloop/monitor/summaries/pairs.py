"""Two tables made ready to be compared: exactly in memory, or by their profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from msgspec.structs import replace

from everloop.data.frames import as_frame
from everloop.data.unstructured import is_prose
from everloop.errors import no_column
from everloop.monitor.aspects.images import looks
from everloop.monitor.aspects.naming import aspect_name
from everloop.monitor.cuts import near
from everloop.monitor.encoding import count_values, spelled
from everloop.monitor.profile import (
    THREADS,
    CategorySketch,
    Floats,
    Profile,
    Sketch,
    sketch_category,
    sketch_number,
)
from everloop.monitor.summaries.beside import Embed
from everloop.monitor.summaries.columns import ColumnKind, ColumnSummary, kind_of_column, measure
from everloop.monitor.summaries.levels import LEVELS, LevelSummary
from everloop.monitor.summaries.table import TableProfile, profile_table

_RICH = ("text", "image", "list")  # kinds that have aspects
_MEANT = {"text": "length", "image": "brightness"}
UNIQUE = 0.9  # share of text values that differ beyond which they name rows


class Side(NamedTuple):
    """A table's sketches, and sentences on what was left out of them."""

    profile: Profile
    notes: list[str]


def both_sides(
    reference: Any, current: Any, ignore: frozenset[str], embed: Embed | None = None
) -> tuple[Side, Side, dict[str, str]]:
    """Sketches of both tables over the same levels, and columns whose type is another now."""
    if any(
        isinstance(side, str | Path | TableProfile | pl.LazyFrame) for side in (reference, current)
    ):
        old, new = profile_table(reference, embed), profile_table(current, embed)
        _check_ignored(ignore, [*old.columns, *new.columns])
        return _of_profiles(old, new, ignore)
    before = as_frame(reference, "reference")
    now = as_frame(current, "current")
    _check_ignored(ignore, [*before.columns, *now.columns])
    return _of_frames(
        before.select(c for c in before.columns if c not in ignore),
        now.select(c for c in now.columns if c not in ignore),
        embed,
    )


def _of_profiles(
    before: TableProfile, now: TableProfile, ignore: frozenset[str]
) -> tuple[Side, Side, dict[str, str]]:
    notes, sketches, retyped = [], {}, {}
    aspects: dict[str, Sketch] = {}
    for name, column in before.columns.items():
        if name in ignore:
            continue
        summary = column.summary
        if _nameless(summary) or _nameless(_alike(column, now.columns.get(name))):
            notes.append(f"{name} is left out: its profile keeps no names.")
        elif column.shown_kind == "category" and summary.distinct > UNIQUE * _present(summary):
            notes.append(_names_rows(name, summary.distinct))
        else:
            sketches[name] = column.sketch()
            aspects |= _named(name, column.aspects({}, name))
    nameless = {
        aspect_name(name, aspect)
        for side in (before, now)
        for name, column in side.columns.items()
        for aspect, part in column.beside.parts.items()
        if _nameless(part)
    }
    notes += [
        f"{name} is left out: its profile keeps no names." for name in aspects if name in nameless
    ]
    aspects = {name: sketch for name, sketch in aspects.items() if name not in nameless}
    after = {}
    beside: dict[str, Sketch] = {}
    left_out = {note.split(" is left out")[0] for note in notes}
    for name, column in now.columns.items():
        if name in ignore or name in left_out:
            continue
        after[name] = column.sketch(sketches.get(name))
        beside |= _named(name, column.aspects(aspects, name))
        old = before.columns.get(name)
        if old is None or old.kind == column.kind:
            continue
        if _present(column.summary) and _present(old.summary):
            retyped[name] = f"{name} holds {column.kind} values, {old.kind} before"
    return (
        Side(Profile(before.rows, sketches, aspects=aspects), notes),
        Side(Profile(now.rows, after, aspects=beside), []),
        retyped,
    )


def _check_ignored(ignore: frozenset[str], columns: Sequence[str]) -> None:
    """Refuse a name that neither side has, which would leave out nothing."""
    for name in sorted(ignore - set(columns)):
        raise no_column("ignore", name, list(dict.fromkeys(columns)))


def _nameless(summary: Any) -> bool:
    """Whether the names of the values were left out, without which shares tell nothing."""
    return isinstance(summary, LevelSummary) and summary.items is None and not summary.prose


def _alike(column: ColumnSummary, other: ColumnSummary | None) -> Any:
    """The other side's summary, if it holds the same kind: another kind needs no names."""
    return other.summary if other is not None and other.kind == column.kind else None


def _named(name: str, aspects: Mapping[str, Sketch]) -> dict[str, Sketch]:
    return {aspect_name(name, aspect): sketch for aspect, sketch in aspects.items()}


def _present(summary: Any) -> int:
    return int(summary.rows - summary.missing)


def _of_frames(
    before: pl.DataFrame, now: pl.DataFrame, embed: Embed | None
) -> tuple[Side, Side, dict[str, str]]:
    kinds: dict[str, ColumnKind] = {}
    levels: dict[str, tuple[str, ...]] = {}
    notes, retyped = [], {}
    for column in before:
        kind = kind_of_column(column)
        if kind == "category":
            values = count_values(spelled(column))["value"]
            levels[column.name] = tuple(values.head(LEVELS).to_list())
            distinct = len(values)
            if is_prose(spelled(column).cast(pl.String), distinct):
                kind = "text"
            elif distinct > max(UNIQUE * (len(column) - column.null_count()), 2) > 20:
                notes.append(_names_rows(column.name, distinct))
                continue
        kinds[column.name] = kind
    for name, kind in kinds.items():
        if name in now.columns and _has_value(before[name]) and _has_value(now[name]):
            other = kind_of_column(now[name])
            if other != ("category" if kind == "text" else kind):
                retyped[name] = f"{name} is {now.schema[name]}, {before.schema[name]} before"
    with ThreadPoolExecutor(THREADS) as pool:
        made = pool.map(lambda n: sketch_column(before[n], kinds[n], levels=levels.get(n)), kinds)
        sketches = dict(zip(kinds, made, strict=True))
        same = [n for n in now.columns if n in kinds and n not in retyped]
        found = pool.map(lambda name: sketch_column(now[name], kinds[name], sketches[name]), same)
        after = dict(zip(same, found, strict=True))
    aspects, beside = _aspects(before, now, kinds, same, embed)
    # What is new or of another type has no sketch to be compared, but it is there.
    left_out = set(before.columns) - kinds.keys()
    for name in set(now.columns) - after.keys() - left_out:
        after[name] = sketch_column(now[name], kind_of_column(now[name]))
    return (
        Side(Profile(before.height, sketches, aspects=aspects), notes),
        Side(Profile(now.height, after, aspects=beside), []),
        retyped,
    )


def _aspects(
    before: pl.DataFrame,
    now: pl.DataFrame,
    kinds: Mapping[str, ColumnKind],
    same: Sequence[str],
    embed: Embed | None,
) -> tuple[dict[str, Sketch], dict[str, Sketch]]:
    """Of sentences, images and lists on both sides, by what a profile tells of them."""
    rich = [name for name in same if kinds[name] in _RICH]
    if not rich:
        return {}, {}
    old = profile_table(before.select(rich), embed).sketches()
    return old.aspects, profile_table(now.select(rich), embed).sketches(old.aspects).aspects


def _has_value(column: pl.Series) -> bool:
    return column.null_count() < len(column)


def _names_rows(name: str, distinct: int) -> str:
    return f"{name} is left out: nearly every row has a value of its own ({distinct:,} differ)."


def sketch_column(
    column: pl.Series,
    kind: ColumnKind,
    like: Sketch | None = None,
    levels: tuple[str, ...] | None = None,
) -> Sketch:
    """The exact sketch of one column; against ``like``, by its levels and its points.

    ``levels`` are those of a category by itself, its most frequent ones by default.
    """
    if kind in ("category", "boolean"):
        text = spelled(column)
        if kind == "boolean":
            levels = ("false", "true")
        elif isinstance(like, CategorySketch):
            levels = like.levels
        elif levels is None:
            levels = tuple(count_values(text)["value"].head(LEVELS).to_list())
        return sketch_category(text, levels)
    values = _numbers(column, kind)
    found = sketch_number(values) if like is None else near(like, values)
    return replace(found, of=_MEANT[kind]) if kind in _MEANT else found


def _numbers(column: pl.Series, kind: ColumnKind) -> Floats:
    if kind == "image":
        return looks(column).brightness
    if kind == "text":
        measured = column.cast(pl.String, strict=False).str.len_chars()
    else:
        measured = measure(column, kind)
    return measured.cast(pl.Float64, strict=False).to_numpy()
