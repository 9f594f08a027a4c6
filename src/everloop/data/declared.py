"""The data that a loop file declares: rows of a source, or what an environment shows."""

from __future__ import annotations

from pathlib import Path

import msgspec
import polars as pl

from everloop.data.environments import Environment
from everloop.data.episodes import explore
from everloop.data.forecast import lagged
from everloop.data.infer import Inferred, infer_schema
from everloop.data.pinned import pinned
from everloop.data.schema import Tokens
from everloop.data.sources import read_table
from everloop.data.spec import DataSpec


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
    frame = read_table(spec.source, base, query=spec.query)
    if spec.forecast is None or spec.time is None:
        return frame
    return lagged(frame, spec.target, spec.time, spec.forecast)


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
