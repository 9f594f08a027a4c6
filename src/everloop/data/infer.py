"""Reading a schema off a frame: what each column is, what to leave out, and why."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
import polars as pl
import polars.selectors as cs

from everloop.data.columns import (
    as_instant,
    as_number,
    as_text,
    is_text,
    parse_iso,
    refuse,
)
from everloop.data.frames import counted
from everloop.data.multilabel import check_labels
from everloop.data.rewards import UNIFORM, checked_propensity, uniform_note
from everloop.data.schema import Feature, Schema, Task, Tokens
from everloop.data.spec import DataSpec
from everloop.data.stray import NUMBER_SHARE, refuse_stray_text, share
from everloop.data.target import infer_task, present_labels
from everloop.data.unstructured import (
    image_feature,
    is_image,
    is_prose,
    is_sequence,
    sequence_feature,
    size_note,
    text_feature,
)
from everloop.errors import invalid, no_column

MIN_ROWS = 10
UNIQUE_SHARE = 0.9  # text with a larger share of distinct values identifies rows
ENDLESS = (-math.inf, math.inf)
_UNSENT = re.compile(r"[\x00-\x1f\"\\]")  # JSON writes these otherwise, and names are compared
_COUNTERS = re.compile(r"^(id|index|row|row_?(id|nr|number)|unnamed.*|_c0|level_0)$", re.IGNORECASE)


class Inferred(msgspec.Struct, frozen=True):
    """A schema, and sentences on what was decided that a person should know."""

    schema: Schema
    notes: list[str]


def infer_schema(
    df: pl.DataFrame,
    spec: DataSpec,
    task: Task | None = None,
    *,
    allow_null_target: bool = False,
    tokens: Tokens = "words",
) -> Inferred:
    """The schema of the training data ``df``; texts are read as ``tokens``.

    Numbers stay numbers; text that spells ISO dates is a datetime, sentences of five words and
    more are a text, bytes of images are images and lists of numbers sequences. Other text is a
    category with at most ``spec.max_levels`` levels, most frequent first, and left out with a note
    when nearly every row has its own value. Columns without a value or with only one are left out
    with a note. The target is classified when it holds booleans, text or at most 20 different
    whole numbers (each five times on average), otherwise regressed; ``task`` overrules this.

    Raises :class:`~everloop.errors.InvalidInput` for a column that the spec names and the data
    lacks, fewer than 10 rows, a missing or constant target, a constant time, a text value in a
    column of numbers, and when no feature is left.
    """
    _check_names(df, spec)
    if df.height < MIN_ROWS:
        raise invalid(
            "data", f"<{df.height} rows>", f"at least {MIN_ROWS} rows", code="too_few_rows"
        )
    decided, classes = _task(df, spec, task or spec.task, allow_null_target)
    _check_keys(df, spec)
    features, notes = _features(df, spec, tokens)
    if spec.unlabelled:
        notes.append(_labels_note(df[spec.target]))
    elif spec.action is not None:
        notes += uniform_note(spec, len(classes))
    elif classes and not isinstance(classes[0], str | bool):
        notes.append(
            f'Target "{spec.target}" is read as {len(classes)} classes, as it holds few different '
            "whole numbers."
        )
    read = {spec.target, spec.time, spec.id, spec.group, *(f.name for f in features)}
    schema = Schema(
        features=features,
        target=spec.target,
        task=decided,
        classes=classes,
        id=spec.id,
        time=spec.time,
        ignored=tuple(name for name in (*df.columns, *spec.labels) if name not in read),
        group=spec.group,
        quantiles=_quantiles(spec) if decided == "quantile" else (),
        action=spec.action,
        propensity=_propensity(spec),
    )
    return Inferred(schema, notes)


def _features(
    df: pl.DataFrame, spec: DataSpec, tokens: Tokens
) -> tuple[tuple[Feature, ...], list[str]]:
    """The features that the columns make, and what is to be said about them."""
    notes: list[str] = []
    features = []
    keys = {spec.target, spec.time, spec.id, spec.group, spec.action, _propensity(spec)}
    keys |= set(spec.ignore)
    read = df.select([name for name in df.columns if name not in keys])
    spans = _spans(read)
    for series in read:
        found = _declared(series, spec, tokens) or _feature(series, spans, spec, tokens)
        if isinstance(found, Feature):
            features.append(found)
            notes += _level_note(series, found, spec.max_levels)
            notes += filter(None, [size_note(series, found)])
        else:
            notes.append(f'Column "{series.name}" is left out: {found}.')
    if not features:
        raise invalid(
            "data",
            "<no column that tells rows apart>",
            "at least one feature",
            code="no_features",
            fix=" ".join(notes) or None,
        )
    return tuple(features), notes


def _task(
    df: pl.DataFrame, spec: DataSpec, task: Task | None, allow_null: bool
) -> tuple[Task, tuple[str | int | float | bool, ...]]:
    """The task and its classes; without labels of anomalies these are false and true."""
    target = df[spec.target]
    if spec.unlabelled:
        return "anomaly", (False, True)
    if spec.action is not None:
        return "bandit", _actions(df, spec, spec.action, allow_null)
    labels = present_labels(target, allow_null, multilabel=task == "multilabel")
    decided, classes = infer_task(labels, task)
    if not spec.labels:
        return decided, classes
    check_labels(labels, spec.labels)
    return decided, spec.labels  # in the order of the loop file


def _actions(
    df: pl.DataFrame, spec: DataSpec, action: str, allow_null: bool
) -> tuple[str | int | float | bool, ...]:
    """The actions in ascending order; rewards are numbers that differ, propensities sound."""
    reward = df[spec.target]
    if reward.dtype != pl.Boolean:
        as_number(reward)
    present_labels(reward, allow_null)
    checked_propensity(df[_propensity(spec) or UNIFORM])
    return infer_task(present_labels(df[action], False), "multiclass")[1]


def _propensity(spec: DataSpec) -> str | None:
    return None if spec.action is None else spec.propensity or UNIFORM


def _labels_note(target: pl.Series) -> str:
    known = len(target) - target.null_count()
    if known == 0:
        return "No row has a label: what needs one is not enough evidence until feedback comes."
    return f"{known:,} of {len(target):,} rows have labels, by feedback; they only judge."


def _quantiles(spec: DataSpec) -> tuple[float, ...]:
    wanted = tuple(sorted(set(spec.quantiles))) or (0.1, 0.5, 0.9)
    if not all(0 < q < 1 for q in wanted):
        raise invalid("data.quantiles", list(spec.quantiles), "numbers between 0 and 1")
    return wanted


def _check_names(df: pl.DataFrame, spec: DataSpec) -> None:
    named: dict[str, Sequence[str | None]] = {
        "target": [spec.target],
        "time": [spec.time],
        "id": [spec.id],
        "group": [spec.group],
        "action": [spec.action],
        "propensity": [spec.propensity],
        "ignore": spec.ignore,
        "categories": spec.categories,
        "text": spec.text,
        "images": spec.images,
        "sequences": spec.sequences,
        "new_units": spec.new_units,
    }
    for key, names in named.items():
        for name in names:
            if name is not None and name not in df.columns:
                raise no_column(f"data.{key}", name, df.columns, code="missing_column")
    for name in df.columns:
        if name not in spec.ignore and (found := _UNSENT.search(name)):
            raise invalid(
                "column",
                name,
                f"a name without {found[0]!r}, as requests carry it",
                code="unfit_name",
                fix="Rename it, or name it in data.ignore.",
            )
    roles = [
        ("target", spec.target),
        ("time", spec.time),
        ("id", spec.id),
        ("group", spec.group),
        ("action", spec.action),
        ("propensity", spec.propensity),
    ]
    for i, (key, name) in enumerate(roles):
        for other, same in roles[:i]:
            if name is not None and name == same:
                raise invalid(f"data.{key}", name, f"another column than data.{other}")
        if name is not None and name in spec.ignore:
            raise invalid("data.ignore", name, f"columns other than data.{key}")


def _check_keys(df: pl.DataFrame, spec: DataSpec) -> None:
    """Times must be instants that differ; an id must be there and differ."""
    if spec.time is not None:
        times = as_instant(df[spec.time])
        refuse(df[spec.time], times.is_null(), "a date and time", fix="Every row needs its time.")
        if times.n_unique() < 2:
            raise invalid(
                f'column "{spec.time}"',
                f"<only {df[spec.time][0]!r}>",
                "different times",
                code="constant_column",
                fix="Leave out data.time, or name another column.",
            )
    if spec.id is not None:
        ids = as_text(df[spec.id])
        refuse(df[spec.id], ids.is_null(), "an id in every row")
        refuse(
            df[spec.id],
            ids.is_first_distinct().not_(),
            "an id of its own in every row",
            fix="Labels that come later are joined by it; leave out data.id if there is none.",
        )


def _declared(series: pl.Series, spec: DataSpec, tokens: Tokens) -> Feature | str | None:
    """What the spec says a column is; None when it says nothing."""
    if series.null_count() == len(series):
        return None
    if series.name in spec.categories:
        return _category(series, series.drop_nulls().n_unique(), spec)
    if series.name in spec.text:
        return text_feature(series, tokens)
    if series.name in spec.images or is_image(series):
        return image_feature(series, _size(spec))
    if series.name in spec.sequences:
        return sequence_feature(series)
    return None


def _size(spec: DataSpec) -> tuple[int, ...]:
    size = spec.image_size
    if size and (len(size) != 2 or min(size) < 1 or max(size) > 1024):
        raise invalid("data.image_size", list(size), "height and width, each from 1 to 1024")
    return size


class _Span(NamedTuple):
    """Of a column of numbers: how many are missing, the least and the largest of the others."""

    missing: int
    low: float | None
    high: float | None


def _spans(frame: pl.DataFrame) -> dict[str, _Span]:
    """Of all floats and whole numbers, which are passed over together."""
    numbers = frame.select(cs.float() | cs.integer())
    if not numbers.width:
        return {}
    nans = next(frame.select(cs.float().is_nan().sum()).iter_rows(named=True), {})
    ends = (numbers.select(end).row(0) for end in (pl.all().min(), pl.all().max()))
    return {
        series.name: _Span(series.null_count() + (nans.get(series.name) or 0), low, high)
        for series, low, high in zip(numbers, *ends, strict=True)
    }


def _number_feature(series: pl.Series, span: _Span) -> Feature | str:
    if span.missing == len(series):
        return "it has no value"
    alike = span.low is not None and span.high is not None and float(span.low) == float(span.high)
    if not span.missing and alike:  # whole numbers too that are one as floats, which models take
        return f"it has one value only, {series[0]!r}"
    if span.low in ENDLESS or span.high in ENDLESS:
        as_number(series)  # names the row
    if _numbers_rows(series):
        return "it numbers the rows"
    return Feature(series.name, "number", nullable=span.missing > 0)


def _feature(
    series: pl.Series, spans: dict[str, _Span], spec: DataSpec, tokens: Tokens
) -> Feature | str:
    """The feature that a column makes, or the reason why it makes none."""
    if series.name in spans:
        return _number_feature(series, spans[series.name])
    nullable = series.null_count() > 0
    if series.null_count() == len(series):
        return "it has no value"
    listed = is_sequence(series)
    if (series.dtype.is_nested() and not listed) or series.dtype in (
        pl.Binary,
        pl.Duration,
        pl.Time,
        pl.Object,
    ):
        return f"values of type {series.dtype} are not read"
    if not nullable and _constant(series):
        return f"it has one value only, {series[0]!r}"
    if listed:
        return sequence_feature(series)
    if series.dtype == pl.Boolean:
        return Feature(series.name, "boolean", nullable=nullable)
    if series.dtype.is_numeric():
        as_number(series)
        if _numbers_rows(series):
            return "it numbers the rows"
        return Feature(series.name, "number", nullable=nullable)
    if is_text(series):
        return _text_feature(series, spec, tokens)
    return Feature(series.name, "datetime", nullable=nullable)


def _constant(series: pl.Series) -> bool:
    """Whether all values are one; a second one ends the search where it can."""
    if series.dtype.is_numeric() or series.dtype.is_temporal():
        return bool(series.min() == series.max())
    return series.n_unique() == 1 if series.dtype.is_nested() else bool((series == series[0]).all())


def _numbers_rows(series: pl.Series) -> bool:
    """Whether a column that is called so counts the rows."""
    called = _COUNTERS.match(series.name) and series.dtype.is_integer()
    return bool(called) and series.drop_nulls().n_unique() == len(series)


def _text_feature(series: pl.Series, spec: DataSpec, tokens: Tokens) -> Feature | str:
    text = as_text(series)
    if parse_iso(text.drop_nulls().head(1)).null_count() == 0:
        instants = parse_iso(text)
        if instants.null_count() == text.null_count():
            return Feature(series.name, "datetime", nullable=text.null_count() > 0)
        if share(instants.is_not_null().sum(), text) > NUMBER_SHARE:
            wrong = instants.is_null() & text.is_not_null()
            refuse(series, wrong, "an ISO date, as in the column's other values")
    refuse_stray_text(text)
    distinct = text.drop_nulls().n_unique()
    if is_prose(text, distinct):
        return text_feature(text, tokens)
    return _category(text, distinct, spec)


def _category(series: pl.Series, distinct: int, spec: DataSpec) -> Feature | str:
    text = as_text(series).drop_nulls()
    if distinct > UNIQUE_SHARE * len(text) and distinct > 2:
        return f"nearly every row has a value of its own ({distinct:,} in {len(text):,} rows)"
    levels = tuple(counted(text)["value"].head(spec.max_levels).to_list())
    return Feature(series.name, "category", levels, nullable=series.null_count() > 0)


def _level_note(series: pl.Series, feature: Feature, limit: int) -> Iterable[str]:
    if feature.kind == "category" and len(feature.levels) == limit:
        distinct = series.drop_nulls().n_unique()
        if distinct > limit:
            yield (
                f'Column "{feature.name}" keeps its {limit} most frequent values of '
                f"{distinct:,}; the others count as unseen."
            )
