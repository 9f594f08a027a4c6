"""Shapley values of many rows: what a report says of a model as a whole."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from everloop.data.schema import Schema
from everloop.evaluate.explain.dependence import DRAWN

DRAWN_FEATURES = 12  # of which every row is shown; of the others the mean size alone


class Swarm(msgspec.Struct, frozen=True):
    """One feature: ``values[i]`` is what it added to the answer of row i, ``shades[i]`` where its
    own value lies among the rows (0 the lowest, 1 the highest; None when it has no order)."""

    feature: str
    values: list[float]
    shades: list[float | None]


class Attributions(msgspec.Struct, frozen=True):
    """Shapley values of ``rows`` rows that did not train.

    ``explainer`` is how they were found, ``of`` the number that they add up to: with the base
    value the sum of a row's values is that number. ``sizes`` is the mean |value| of each feature,
    the largest first; ``swarms`` are of the first of them. ``note`` says what was asked for and
    could not be had.
    """

    explainer: str
    of: str
    rows: int
    sizes: list[tuple[str, float]]
    swarms: list[Swarm]
    note: str = ""


def attributions(
    values: NDArray[np.float64],
    X: NDArray[np.float64],
    schema: Schema,
    *,
    explainer: str,
    of: str,
    note: str = "",
) -> Attributions:
    """From ``values`` (rows by features) of the rows ``X``."""
    sizes = np.abs(values).mean(axis=0)
    order = np.argsort(-sizes, kind="stable")
    names = schema.names
    kinds = {feature.name: feature.kind for feature in schema.features}
    swarms = []
    for place in order[:DRAWN_FEATURES]:
        name = names[place]
        ordered = kinds[name] in DRAWN and kinds[name] != "category"
        column = X[:, schema.spans[name].start]
        shades = _shades(column) if ordered else [None] * len(X)
        swarms.append(Swarm(name, [_short(v) for v in values[:, place]], list(shades)))
    return Attributions(
        explainer=explainer,
        of=of,
        rows=len(X),
        sizes=[(names[place], _short(sizes[place])) for place in order],
        swarms=swarms,
        note=note,
    )


def explained_number(schema: Schema) -> str:
    """What a row's Shapley values add up to, in words."""
    if schema.task in ("policy", "bandit"):
        return "whether the policy acts as it does"
    if schema.task == "ranking":
        return "the score that rows are ranked by"
    if schema.numeric:
        return f"the prediction of {schema.target}"
    if len(schema.classes) == 2:
        return f"the probability that {schema.target} is {schema.classes[1]}"
    return "the probability of the class that is answered"


def _shades(column: NDArray[np.float64]) -> Sequence[float | None]:
    """Ranks from 0 to 1; ties share theirs, and a missing value has none."""
    known = np.unique(column[np.isfinite(column)])
    most = max(len(known) - 1, 1)
    places = np.searchsorted(known, column)
    return [
        round(float(place) / most, 3) if np.isfinite(value) else None
        for place, value in zip(places, column, strict=True)
    ]


def _short(value: float) -> float:
    return float(f"{value:.5g}")
