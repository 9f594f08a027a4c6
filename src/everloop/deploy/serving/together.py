"""Small models of one endpoint in a single call, so that a canary costs callers next to nothing.

A turn of the event loop that has rows of two versions would ask two models. For a small one nearly
all of a call is what every call costs: the way into onnxruntime, and winning the interpreter back
from the threads that receive requests. So the graphs are joined into one that answers every row as
each version does, and each version's rows take their own part of it. What is computed in vain is
less than what a second call costs, which is tried out before, as is that the answers are the same
to the last bit.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from everloop.deploy.package import MODEL
from everloop.deploy.predictor import INPUT, Output, Predictor, run_of, session_of
from everloop.deploy.serving.batching import Matrix, divided
from everloop.deploy.serving.endpoint import LoadedModel

MOST_BYTES = 64 << 10  # of a model's file: larger ones take longer than a call costs
TRIES = 20  # of each side, of which the quickest counts
SAVED_S = 10e-6  # beside the models' own time, by each call that is not made
ROWS = 8  # that each model is asked for in them

_log = logging.getLogger(__name__)


class Part(NamedTuple):
    """One model, what runs it, and its place among the outputs of all."""

    model: object
    predictor: Predictor
    outputs: slice


class Together:
    """Models that one call asks; made by :func:`together`."""

    def __init__(self, parts: dict[int, Part], names: list[str], run: Callable[..., Any]) -> None:
        self._parts = parts  # by the identity of the model, which each holds
        self._names = names
        self._run = run

    def answers(self, asked: Sequence[tuple[object, Sequence[Matrix]]]) -> list[list[Output]]:
        """For each model and the rows of its requests: an output a request.

        Raises whatever any of the models raises at any of the rows.
        """
        X = np.concatenate([part for _, parts in asked for part in parts])
        found = self._run(self._names, {INPUT: X}, None)
        answers, first = [], 0
        for model, parts in asked:
            _, predictor, outputs = self._parts[id(model)]
            whole = predictor.answered(X, found[outputs])
            answers.append([*divided(whole, parts, first)])
            first += sum(map(len, parts))
        return answers


def together(models: Sequence[tuple[LoadedModel, Path]]) -> Together | None:
    """The models of verified package folders in one; None where that would not pay or cannot be."""
    parts, names, sources = dict[int, Part](), list[str](), []
    for number, (model, folder) in enumerate(models):
        source = _source(model, folder)
        if source is None:
            return None
        sources.append(source)
        predictor = model.predictor
        assert isinstance(predictor, Predictor), "others have no source"
        mine = [f"{number}.{name}" for name in predictor.outputs]
        place = slice(len(names), len(names) + len(mine))
        parts[id(model)] = Part(model, predictor, place)
        names += mine
    if len({part.predictor.schema.width for part in parts.values()}) > 1:
        return None
    try:
        # Protobuf is slow to import, and most processes have no two versions.
        from everloop.deploy.joining import joined  # noqa: PLC0415

        whole = joined(sources, INPUT)
        if whole is None:
            return None
        run = run_of(session_of(whole))
        return Together(parts, names, run) if _pays(run, names, parts) else None
    except Exception as error:  # onnxruntime raises bare types; each model answers by itself then
        _log.info("the models of an endpoint are not joined: %s", error)
        return None


def _source(model: LoadedModel, folder: Path) -> bytes | None:
    """The file of a small model, if it is what was verified."""
    predictor = model.predictor
    if not isinstance(predictor, Predictor) or predictor.wide:
        return None
    file = predictor.package.files[MODEL]
    if file.size > MOST_BYTES:
        return None
    data = (folder / MODEL).read_bytes()
    return data if hashlib.sha256(data).hexdigest() == file.sha256 else None


def _pays(run: Callable[..., Any], names: list[str], parts: dict[int, Part]) -> bool:
    """Whether one call for all rows is quicker than one for each model's, and answers the same."""
    first = next(iter(parts.values())).predictor
    X = np.random.default_rng(0).normal(size=(ROWS * len(parts), first.schema.width))
    X[::3, ::2] = np.nan
    found = run(names, {INPUT: X}, None)
    for _, predictor, outputs in parts.values():
        alone = predictor.run(predictor.outputs, {INPUT: X}, None)
        for mine, own in zip(found[outputs], alone, strict=True):
            if mine.dtype != own.dtype or mine.shape != own.shape or len(own) != len(X):
                return False
            if mine.tobytes() != own.tobytes() and mine.tolist() != own.tolist():
                return False
    few = {INPUT: X[:ROWS]}
    apart = (_quickest(partial(p.run, p.outputs, few, None)) for _, p, _ in parts.values())
    return _quickest(partial(run, names, {INPUT: X}, None)) < sum(apart) + SAVED_S


def _quickest(call: Callable[[], object]) -> float:
    found = []
    for _ in range(TRIES):
        begun = time.thread_time()
        call()
        found.append(time.thread_time() - begun)
    return min(found)
