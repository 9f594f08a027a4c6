"""The data that a loop file declares: rows of a source, or what an environment shows."""

from __future__ import annotations

from pathlib import Path

import msgspec
import polars as pl

from everloop.data.environments import Environment
from everloop.data.episodes import explore
from everloop.data.forecast import lagged
from everloop.data.infer import Inferred, infer_schema
from everloop.data.multilabel import canonical, combine
from everloop.data.pinned import pinned
from everloop.data.rewards import with_propensity
from everloop.data.schema import Tokens
from everloop.data.sources import read_table
from everloop.data.spec import DataSpec
from everloop.errors import invalid


def environment_of(spec: DataSpec) -> Environment | None:
    """The environment that is declared; None when rows are."""
    if spec.environment is None:
        return None
    return Environment(spec.environment, spec.environment_arguments)


def read_declared(spec: DataSpec, base: Path, seed: int = 0) -> pl.DataFrame:
    """The rows of the source, or those that random actions in the environment meet.

    ``base`` is the folder of the loop file; ``seed`` is of the random actions. Raises
    :class:`~everloop.errors.InvalidInput` for what cannot be read.
    """
    environment = environment_of(spec)
    if environment is not None:
        return explore(environment, seed)
    frame = with_target(read_table(spec.source, base, query=spec.query), spec)
    if spec.forecast is None or spec.time is None:
        return frame
    return lagged(frame, spec.target, spec.time, spec.forecast)


def with_target(frame: pl.DataFrame, spec: DataSpec) -> pl.DataFrame:
    """Rows of a source with the target as one column, whatever form it has there.

    Columns of labels, and lists of them, become texts; without labels of anomalies there is a
    column of nulls, which labels that come later fill. Raises
    :class:`~everloop.errors.InvalidInput` for values that are no labels.
    """
    if spec.labels:
        return combine(frame, spec.labels, spec.target)
    there = spec.target in frame.columns
    if spec.unlabelled:
        if there:
            raise invalid(
                "data.target",
                "<nothing>",
                f'the name of the column of labels, as there is one called "{spec.target}"',
                fix=f'Set data.target = "{spec.target}", or rename the column.',
            )
        return frame.with_columns(pl.lit(None, pl.Boolean).alias(spec.target))
    if there and spec.task == "multilabel":
        return frame.with_columns(canonical(frame[spec.target]))
    return with_propensity(frame, spec)


def infer_declared(
    frame: pl.DataFrame, spec: DataSpec, base: Path, tokens: Tokens = "words"
) -> Inferred:
    """The schema of the rows: inferred, or pinned by a file in ``base`` that they must agree with.

    Texts are read as ``tokens``. An environment knows its states beforehand.
    """
    environment = environment_of(spec)
    if environment is None and spec.schema is not None:
        schema = pinned(frame, spec, base, tokens)
        return Inferred(schema, [f"The schema is that of {spec.schema}."])
    if environment is None:
        return _with_persistence(infer_schema(frame, spec, tokens=tokens), spec)
    note = f"{environment.name}: a policy chooses one of {environment.actions} actions."
    return Inferred(environment.schema, [note])


def _with_persistence(inferred: Inferred, spec: DataSpec) -> Inferred:
    """A forecast is compared with the newest value that was known."""
    if spec.forecast is None:
        return inferred
    newest = spec.forecast.newest(spec.target)
    schema = msgspec.structs.replace(inferred.schema, persistence=newest)
    note = f"Forecast {spec.forecast.horizon} steps ahead; persistence repeats {newest}."
    return Inferred(schema, [*inferred.notes, note])
