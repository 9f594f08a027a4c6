"""Made-up rows before and after a change whose cause is known."""

from __future__ import annotations

import numpy as np
import polars as pl

from everloop.data.schema import Feature, Schema
from everloop.evaluate.metrics import get_metric
from everloop.monitor.cause.rows import Rows

NAMES = tuple(f"x{i}" for i in range(5))
SCHEMA = Schema(
    features=(*(Feature(n, "number") for n in NAMES), Feature("place", "category", ("A", "B"))),
    target="y",
    task="binary",
    classes=(False, True),
)
SECOND = 1_000
AUC = get_metric("roc_auc").score


def world(
    seed: int,
    rows: int = 6_000,
    *,
    start: int = 0,
    scale: float = 1.0,
    concept: float = 0.0,
    unit: float = 1.0,
    broken: str | None = None,
) -> Rows:
    """Rows a second apart, answered by the right model of the world as it was.

    Parameters
    ----------
    scale : of x0, which decides most: less spread makes the classes harder to tell apart.
    concept : share of the labels' odds that moves from x0 and x1 to x2.
    unit : that x0 is sent in.
    broken : the client of four whose x0 is always 0.
    """
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, len(NAMES)))
    X[:, 0] *= scale
    client = rng.choice(["c1", "c2", "c3", "c4"], rows)
    odds = (1 - concept) * _odds(X) + concept * 2.0 * X[:, 2]
    y = rng.random(rows) < 1 / (1 + np.exp(-odds))
    X[:, 0] *= unit
    X[client == broken, 0] = 0.0
    p = 1 / (1 + np.exp(-np.clip(_odds(X), -50, 50)))
    frame = pl.DataFrame({name: X[:, i] for i, name in enumerate(NAMES)})
    return Rows(
        times=start + np.arange(rows, dtype=np.int64) * SECOND,
        frame=frame.with_columns(place=pl.Series(rng.choice(["A", "B"], rows))),
        sources=pl.DataFrame({"client": client}),
        answers=p,
        y=y.astype(np.float64),
        pred=(p > 0.5).astype(np.float64),
        proba=np.column_stack([1 - p, p]),
    )


def _odds(X: np.ndarray) -> np.ndarray:
    odds: np.ndarray = 2.0 * X[:, 0] + X[:, 1]
    return odds
