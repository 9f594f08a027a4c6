"""What a new policy would earn, from a table of what another one did: one call, no loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import polars as pl

from everloop.data.encode import as_target, encode
from everloop.data.infer import infer_schema
from everloop.data.rewards import logged, with_propensity
from everloop.data.spec import DataSpec
from everloop.errors import invalid
from everloop.evaluate.metrics import Estimate, estimate, get_metric
from everloop.evaluate.metrics._off_policy import Overlap, overlap
from everloop.evaluate.rewards import with_expected


class OffPolicy(msgspec.Struct, frozen=True):
    """The value of a policy by each estimator, and what the logged rows are worth for it.

    ``note`` says why they cannot tell, and is empty where they can. ``logged`` is the mean reward
    of what was done.
    """

    value_dr: Estimate
    value_snips: Estimate
    value_ips: Estimate
    logged: float
    overlap: Overlap
    note: str


def off_policy(
    frame: Any,
    policy: np.ndarray | Sequence[Sequence[float]],
    *,
    action: str,
    reward: str,
    propensity: str | None = None,
    ignore: Sequence[str] = (),
    seed: int = 0,
) -> OffPolicy:
    """Judge a policy on the logged rows of another one.

    Parameters
    ----------
    frame : a table (Polars, or what Polars reads) with what was done, what it earned, how probable
        it was (all actions alike unless ``propensity`` names the column), and the context: all
        other columns but those to ``ignore``.
    policy : probability of each action in each row, n by k, the actions in ascending order.
    seed : of the resampling that intervals come from.

    Raises :class:`~everloop.errors.InvalidInput` for a table or probabilities that cannot be read.
    """
    table = frame if isinstance(frame, pl.DataFrame) else pl.DataFrame(frame)
    spec = DataSpec(
        "frame", reward, task="bandit", action=action, propensity=propensity, ignore=tuple(ignore)
    )
    table = with_propensity(table, spec)
    schema = infer_schema(table, spec).schema
    proba = _probabilities(policy, table.height, len(schema.classes))
    y = logged(table, as_target(table[reward], schema), schema)
    judged = with_expected(y, encode(table, schema), schema)
    pred = proba.argmax(axis=1)
    names = ("value_dr", "value_snips", "value_ips")
    found = {name: estimate(get_metric(name), judged, pred, proba, seed) for name in names}
    worth = overlap(judged, proba)
    return OffPolicy(
        **found, logged=float(y[:, 1].mean()), overlap=worth, note=worth.too_small or ""
    )


def _probabilities(given: Any, rows: int, actions: int) -> np.ndarray:
    proba = np.asarray(given, dtype=np.float64)
    if proba.shape != (rows, actions):
        raise invalid("policy", f"<shape {proba.shape}>", f"shape ({rows}, {actions})")
    if not np.isfinite(proba).all() or (proba < 0).any() or abs(proba.sum(axis=1) - 1).max() > 1e-6:
        raise invalid("policy", "<other numbers>", "probabilities whose sum is 1 in each row")
    return proba
