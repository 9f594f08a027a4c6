"""Shapley values for a cycle's report: by the library shap where asked for, else our own estimate.

The library needs the fitted estimator, so it is asked at the end of training, and what it found
waits with the run. Our own estimate asks the packaged model and needs no extra.
"""

from __future__ import annotations

import logging
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from everloop.data.encode import encode
from everloop.data.schema import Schema
from everloop.deploy.explainer import EXPLAINED, explain
from everloop.errors import EverloopError
from everloop.evaluate.explain.attributions import (
    Attributions,
    attributions,
    explained_number,
)
from everloop.evaluate.explain.library import BACKGROUND, ROWS, Found, by_library
from everloop.loop.answers import PackagedModel
from everloop.loop.steps._base import StepContext
from everloop.train.predictions import predict

SAMPLED = 30  # rows of our own estimate
EVALUATIONS = 1_024
BEHIND = 32  # background rows of our own estimate
WIDEST = 200  # features beyond which Shapley values would take too long
RESULT = "shapley"
_MISSING = 'evaluate.explain = "shap" needs the extra: pip install "everloop[explain]".'

_log = logging.getLogger(__name__)


def attributed(
    context: StepContext, estimator: Any, schema: Schema, X: NDArray[np.float64]
) -> dict[str, dict[str, str]]:
    """For the result of training: the digest of what shap found, or why it found nothing.

    Empty when the loop file does not ask for it. ``X`` are the training rows. Never raises: a
    report does without.
    """
    if context.declaration.evaluate.explain != "shap" or not _fits(schema):
        return {}
    try:
        found = _by_library(context, estimator, schema, X)
    except ImportError:
        return {RESULT: {"note": _MISSING}}
    except Exception as error:
        _log.exception("shap found nothing in cycle %s", context.cycle.number)
        note = f"shap could not explain this model ({type(error).__name__})."
        return {RESULT: {"note": note}}
    return {RESULT: {"digest": context.project.blobs.put(msgspec.json.encode(found))}}


def overall(
    context: StepContext,
    model: PackagedModel,
    X: NDArray[np.float64],
    train: pl.DataFrame | None,
    seed: int,
) -> Attributions | None:
    """What training kept, else our own estimate over some held-out rows ``X``."""
    schema = model.package.schema
    kept = (context.results.get("train") or {}).get(RESULT) or {}
    if "digest" in kept:
        return msgspec.json.decode(context.project.blobs.get(kept["digest"]), type=Attributions)
    if train is None or not len(X) or not _fits(schema):
        return None
    rng = np.random.default_rng(seed)
    rows = X[rng.choice(len(X), min(SAMPLED, len(X)), replace=False)]
    background = encode(train.sample(min(BEHIND, train.height), seed=seed), schema)
    explained = explain(model.predictor, rows, background, evaluations=EVALUATIONS, seed=seed)
    values = np.array([[one.contributions[name] for name in schema.names] for one in explained])
    return attributions(
        values,
        rows,
        schema,
        explainer="our own estimate (sampled orders of the features)",
        of=explained_number(schema),
        note=kept.get("note", ""),
    )


def _fits(schema: Schema) -> bool:
    return schema.task in EXPLAINED and 1 < len(schema.names) <= WIDEST


def _by_library(
    context: StepContext, estimator: Any, schema: Schema, X: NDArray[np.float64]
) -> Attributions:
    seed = context.declaration.loop.seed
    rng = np.random.default_rng(seed)
    background = X[rng.choice(len(X), min(BACKGROUND, len(X)), replace=False)]
    found = by_library(
        estimator,
        lambda rows: _answers(estimator, rows, schema),
        _held_out(context, schema, seed),
        background,
        schema,
        seed,
    )
    return attributions(
        found.values, found.X, schema, explainer=f"shap.{found.explainer}", of=_of(found, schema)
    )


def _answers(
    estimator: Any, rows: NDArray[np.float64], schema: Schema
) -> tuple[np.ndarray, np.ndarray | None]:
    """Of quantiles the middle one alone."""
    pred, proba = predict(estimator, rows, schema)
    return pred, None if schema.numeric else proba


def _of(found: Found, schema: Schema) -> str:
    return " of ".join(["the " + found.scale] * bool(found.scale) + [explained_number(schema)])


def _held_out(context: StepContext, schema: Schema, seed: int) -> NDArray[np.float64]:
    snapshot = context.results["snapshot"]
    first, count = int(snapshot["train_rows"]), int(snapshot["test_rows"])
    if not count:
        raise EverloopError("There are no held-out rows to explain.")
    frame = context.project.datasets.load(snapshot["dataset"], first, count)
    return encode(frame.sample(min(ROWS, frame.height), seed=seed), schema)
