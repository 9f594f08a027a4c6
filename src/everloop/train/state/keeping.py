"""The files of a package from which its model goes on, written and read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from sklearn.pipeline import Pipeline

from everloop.data.schema import Schema
from everloop.errors import EverloopError, Integrity
from everloop.train.prepared import Behind
from everloop.train.state._base import About, Learner
from everloop.train.state.families import learner_of, why_not
from everloop.train.state.front import Front, Resumed
from everloop.train.state.names import FOLDER, FRONT, STATE
from everloop.train.state.tails import Tail, with_tail, without_tail

FORMAT = 1
MOST_BYTES = 64 << 20  # of all files together
WIDEST = 5_000  # prepared columns
UNREADABLE = (OSError, ImportError, LookupError, ValueError, TypeError, msgspec.MsgspecError)


class State(msgspec.Struct, frozen=True, kw_only=True):
    """``state/state.json``."""

    format: int = FORMAT
    about: About
    tail: Tail
    files: list[str]


@dataclass(frozen=True)
class Resumable:
    """A model that was read, and what it goes on by."""

    about: About
    front: Front | None
    model: Any
    tail: Tail
    learner: Learner

    def estimator(self, model: Any) -> Any:
        """``model``, which has learned, as an estimator over ``X``."""
        return with_tail(Resumed(self.front, model), self.tail)

    def files(self, model: Any) -> dict[str, bytes]:
        """The state of ``model`` instead of this one's."""
        about = msgspec.structs.replace(self.about, updates=self.about.updates + 1)
        return _written(about, self.tail, self.front, self.learner.saved(model))


def kept(
    estimator: Any,
    algorithm: str,
    params: Mapping[str, Any],
    schema: Schema,
    X: np.ndarray,
    y: np.ndarray,
) -> tuple[dict[str, bytes], str]:
    """The files of a fitted estimator, or none and why in one sentence.

    ``X`` and ``y`` are rows that it was fitted on.
    """
    if why := why_not(algorithm, schema.task):
        return {}, why
    inner, tail = without_tail(estimator)
    transforms, model = _parts(inner)
    try:
        front = Front.of(transforms, X[:1]) if transforms else None
        if isinstance(inner, Resumed):
            front = inner.front
        learner = learner_of(algorithm)
        about = _about(model, algorithm, dict(params), schema, front, y)
        files = _written(about, tail, front, learner.saved(model))
    except (EverloopError, RuntimeError, NotImplementedError) as error:
        return {}, f"it cannot be kept ({str(error).splitlines()[0]})"
    if about.width > WIDEST:
        return {}, f"its {about.width:,} prepared columns are more than {WIDEST:,}"
    size = sum(map(len, files.values()))
    if size > MOST_BYTES:
        return {}, f"its state would take {size >> 20} MB, more than {MOST_BYTES >> 20}"
    return files, ""


def carried(folder: Path, estimator: Any) -> dict[str, bytes]:
    """The state of the version in ``folder``, for one that differs in what stands behind it."""
    if not (folder / STATE).is_file():
        return {}
    known = resumable(folder)
    _, tail = without_tail(estimator)
    return _written(known.about, tail, known.front, known.learner.saved(known.model))


def resumable(folder: Path) -> Resumable:
    """The model of a package's folder.

    Raises :class:`~everloop.errors.Integrity` when its files do not fit together.
    """
    try:
        state = msgspec.json.decode((folder / STATE).read_bytes(), type=State)
        if state.format != FORMAT:
            raise ValueError(f"its format is {state.format}, expected {FORMAT}")
        places = {name: folder / FOLDER / name for name in state.files}
        if sum(place.stat().st_size for place in places.values()) > MOST_BYTES:
            raise ValueError(f"it takes more than {MOST_BYTES >> 20} MB")
        files = {name: place.read_bytes() for name, place in places.items()}
        front = None
        if (folder / FRONT).is_file():
            front = Front((folder / FRONT).read_bytes(), state.about.width)
        learner = learner_of(state.about.algorithm)
        model = learner.loaded(files, state.about)
    except UNREADABLE as error:
        raise Integrity(f"{STATE}: the state cannot be read: {error}.") from error
    return Resumable(state.about, front, model, state.tail, learner)


def _written(
    about: About, tail: Tail, front: Front | None, model: Mapping[str, bytes]
) -> dict[str, bytes]:
    state = State(about=about, tail=tail, files=sorted(model))
    files = {STATE: msgspec.json.format(msgspec.json.encode(state))}
    files |= {f"{FOLDER}/{name}": data for name, data in model.items()}
    return files if front is None else files | {FRONT: front.data}


def _parts(estimator: Any) -> tuple[list[Any], Any]:
    """The fitted transforms in front, and the model behind them."""
    transforms: list[Any] = []
    while isinstance(estimator, Behind):
        transforms.append(estimator.stage)
        estimator = estimator.estimator
    if isinstance(estimator, Resumed):
        return transforms, estimator.model
    if isinstance(estimator, Pipeline):
        steps = [step for _, step in estimator.steps if step not in (None, "passthrough")]
        return [*transforms, *steps[:-1]], steps[-1]
    return transforms, estimator


def _about(
    model: Any,
    algorithm: str,
    params: dict[str, Any],
    schema: Schema,
    front: Front | None,
    y: np.ndarray,
) -> About:
    numeric = schema.numeric
    many = schema.task == "multilabel"
    codes = [] if numeric or many else np.asarray(model.classes_).astype(np.int64).tolist()
    booster = getattr(model, "booster_", None)
    return About(
        algorithm=algorithm,
        task=schema.task,
        params=params,
        codes=codes,
        width=schema.width if front is None else front.width,
        mean=float(np.mean(y)) if numeric else 0.0,
        spread=(float(np.std(y)) or 1.0) if numeric else 1.0,
        rounds=0 if booster is None else int(booster.current_iteration()),
    )
