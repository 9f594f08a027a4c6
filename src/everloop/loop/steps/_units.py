"""Rows in another unit than the champion's train no model.

A source whose metres have become millimetres is well formed, and train and test rows share the
fault: a model that learned it beats the champion on them, and is wrong for every caller who still
sends metres. So numbers are held against the champion's profile as those of windows are.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from everloop.data.schema import Schema
from everloop.errors import InvalidInput, invalid
from everloop.loop.evaluating import REFERENCE
from everloop.loop.steps._base import StepContext
from everloop.loop.steps._seen import unseen_rows
from everloop.monitor.profile import NumberSketch, Profile, read_profile, sketch_number
from everloop.monitor.quality._base import Fault
from everloop.monitor.quality.unit_change import UnitChangeCheck
from everloop.registry.models import ModelVersion

ROWS = 20_000  # that are looked at, evenly apart


def refuse_other_units(context: StepContext, frame: pl.DataFrame) -> None:
    """Raise :class:`~everloop.errors.InvalidInput` where a number came in another unit.

    All rows are looked at, and by themselves those that the champion has not seen, which many old
    ones would hide. Without a champion there is nothing to hold them against.
    """
    declaration = context.declaration
    champion = context.project.champion(declaration.name)
    if champion is None or not declaration.monitor.quality:
        return
    folder, package = context.project.package(champion)
    file = folder / REFERENCE
    if not file.exists():  # of a version made elsewhere
        return
    known = read_profile(file.read_bytes())
    for rows in _looked_at(context, champion, frame, package.schema):
        for name, sketch in _numbers(known, rows, declaration.data.new_units):
            fault = _fault(name, sketch, rows)
            if fault is not None:
                raise _refusal(name, fault, champion.version)


def _looked_at(
    context: StepContext, champion: ModelVersion, frame: pl.DataFrame, schema: Schema
) -> Iterator[pl.DataFrame]:
    yield _evenly(frame)
    if schema.time is None or schema.time in frame.columns:
        unseen = unseen_rows(context.project, champion, frame, schema)
        if 0 < int(unseen.sum()) < frame.height:
            yield _evenly(frame.filter(pl.Series(unseen)))


def _evenly(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.gather_every(max(1, -(-frame.height // ROWS)))


def _numbers(
    known: Profile, rows: pl.DataFrame, accepted: tuple[str, ...]
) -> Iterator[tuple[str, NumberSketch]]:
    for name, kind in rows.schema.items():
        sketch = known.features.get(name)
        if kind.is_numeric() and name not in accepted and isinstance(sketch, NumberSketch):
            yield name, sketch


def _fault(name: str, known: NumberSketch, rows: pl.DataFrame) -> Fault | None:
    values = rows[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
    return UnitChangeCheck().check(name, known, sketch_number(values), lambda: None)


def _refusal(name: str, fault: Fault, version: int) -> InvalidInput:
    before, now = fault.evidence["median_before"], fault.evidence["median_now"]
    return invalid(
        f'column "{name}"',
        f"a median of {now:g}",
        f"the unit of version {version}, whose median is {before:g}: {fault.summary}",
        fix="Mend the source; or, where the unit changed on purpose, name the column in "
        "data.new_units until a version that learned it is the champion.",
        code="other_unit",
    )
