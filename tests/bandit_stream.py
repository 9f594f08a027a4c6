"""A bandit whose best action is known: what a policy truly earns can be worked out."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from everloop.data.segments import FeedbackRecord, PredictionRecord, SegmentWriter, encode_record
from everloop.deploy.serving.drawing import drawn
from everloop.loop.answers import PackagedModel

ACTIONS = ("a", "b", "c")
AT = 1_700_000_000_000  # when the endpoint was asked
_TASTE = np.array([[2.0, 0.0], [-2.0, 1.0], [0.0, -2.0]])  # of each action for the two features


def contexts(count: int, seed: int) -> np.ndarray:
    """n by 2."""
    return np.random.default_rng(seed).normal(size=(count, 2))


def chances(X: np.ndarray) -> np.ndarray:
    """The probability that each action is rewarded with 1, n by 3."""
    return 1.0 / (1.0 + np.exp(-(X @ _TASTE.T - 0.5)))


def true_value(X: np.ndarray, proba: np.ndarray) -> float:
    """The mean reward of a policy with these probabilities."""
    return float((proba * chances(X)).sum(axis=1).mean())


def play(
    X: np.ndarray, proba: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Action, reward and propensity of each row, by a policy with these probabilities."""
    edges = proba.cumsum(axis=1)
    done = (rng.random((len(X), 1)) > edges).sum(axis=1).clip(max=proba.shape[1] - 1)
    rows = np.arange(len(X))
    reward = (rng.random(len(X)) < chances(X)[rows, done]).astype(float)
    return done, reward, proba[rows, done]


def skewed(X: np.ndarray) -> np.ndarray:
    """What is logged: a policy that likes ``a`` and tries the others, more so where z is large."""
    b = np.where(X[:, 1] > 0, 0.3, 0.1)
    return np.column_stack([1.0 - 0.2 - b, b, np.full(len(X), 0.2)])


def table(count: int, seed: int) -> pl.DataFrame:
    """Logged rows: ``x, z, offer, p, clicked``."""
    X = contexts(count, seed)
    done, reward, p = play(X, skewed(X), np.random.default_rng(seed + 1))
    return pl.DataFrame(
        {
            "x": X[:, 0],
            "z": X[:, 1],
            "offer": [ACTIONS[code] for code in done],
            "p": p,
            "clicked": reward,
        }
    )


def policy_of(loop: Any, X: np.ndarray) -> np.ndarray:
    """The probabilities that the champion gives the actions."""
    model = PackagedModel(*loop.project.package(loop.project.champion("offers")))
    proba = model.answers(pl.DataFrame({"x": X[:, 0], "z": X[:, 1]})).proba
    assert proba is not None
    return proba


def serve(loop: Any, X: np.ndarray, rewards: np.ndarray, at: int = AT) -> None:
    """What the data plane writes of these contexts, and the rewards of what it drew.

    ``rewards`` : what each action would earn, n by 3.
    """
    project, version = loop.project, loop.project.champion("offers").version
    ids = [f"r{at}-{row}" for row in range(len(X))]
    y, p = drawn("offers", ids, policy_of(loop, X), ACTIONS)
    earned = rewards[np.arange(len(X)), [ACTIONS.index(action) for action in y]]
    record = PredictionRecord(
        at=at, request=f"r{at}", endpoint="offers", version=version, arm="champion",
        ids=ids, times=None, columns={"x": X[:, 0].tolist(), "z": X[:, 1].tolist()},
        y=y, p=p.tolist(), ms=1.0,
    )  # fmt: skip
    labels = FeedbackRecord(at=record.at, endpoint="offers", ids=ids, labels=earned.tolist())
    SegmentWriter(project.state / "log/predictions", "p").append(encode_record(record))
    SegmentWriter(project.state / "log/feedback", "f").append(encode_record(labels))
    project.log.ship()
