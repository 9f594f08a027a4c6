"""Shapley values of a packaged model's answers, by sampling; for the data plane as well.

Only NumPy and msgspec are imported here. The model is asked about rows that take some features
from the row in question and the others from background rows, which travel in the package.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

BACKGROUND = "background.npy"
BACKGROUND_ROWS = 64
BACKGROUND_BYTES = 4 << 20
EVALUATIONS = 4_096
"""Rows that the model is asked about for each row that is explained, about."""
_BATCH = 4_096

Floats = npt.NDArray[np.float64]
Output = Callable[[Floats], Floats]


class Attribution(NamedTuple):
    """``base`` is the mean answer of the background and ``values`` (rows by features) what each
    feature adds to it; ``base`` plus a row's values is its ``answer``, exactly."""

    base: float
    values: Floats
    answers: Floats


class Explanation(msgspec.Struct, frozen=True):
    """Why one row is answered as it is.

    ``answer`` is the number explained: the prediction (of quantiles the middle one, of a ranking
    the score), or the probability of the class ``of`` (of two classes the second one, of more the
    answered one; of a policy the action it takes). ``base`` is its mean over the
    background, and ``base`` plus all ``contributions`` is ``answer``.
    """

    y_pred: Any
    of: Any
    base: float
    answer: float
    contributions: dict[str, float]


def shapley(
    output: Output,
    X: Floats,
    background: Floats,
    spans: Sequence[slice],
    *,
    evaluations: int = EVALUATIONS,
    seed: int = 0,
) -> Attribution:
    """Shapley values of ``output`` at each row of ``X`` against ``background``.

    Features enter in random orders, each order forwards and backwards (antithetic), from each
    background row in turn; a feature's value is the mean change of the answer when it enters.
    For a model that adds up over features the result is exact whatever the orders. Sources:
    E. Strumbelj, I. Kononenko, KAIS 41 (2014); S. Lundberg, S. Lee, NeurIPS (2017); orders in
    pairs: R. Mitchell and others, JMLR 23 (2022).

    ``spans`` are the columns of each feature. The cost is bounded: of many features fewer
    background rows are used, but for one pass over every feature.
    """
    d = len(spans)
    rng = np.random.default_rng(seed)
    used = _fewer(background, max(1, evaluations // (2 * d)), rng)
    rounds = max(1, evaluations // (2 * d * len(used)))
    base = float(output(used).mean())
    answers = output(X)
    values = np.zeros((len(X), d))
    for i, row in enumerate(X):
        orders = [rng.permutation(d) for _ in range(rounds * len(used))]
        starts = np.tile(used, (rounds, 1))
        both = orders + [order[::-1] for order in orders]
        total = _entering(output, row, np.vstack([starts, starts]), both, spans)
        values[i] = total / len(both)
    return Attribution(base, values, answers)


def _entering(
    output: Output,
    row: Floats,
    starts: Floats,
    orders: Sequence[npt.NDArray[Any]],
    spans: Sequence[slice],
) -> Floats:
    """Sum over orders of the change of the answer when each feature enters."""
    d = len(spans)
    total = np.zeros(d)
    per = max(1, _BATCH // (d + 1))
    for first in range(0, len(orders), per):
        part = orders[first : first + per]
        paths = np.repeat(starts[first : first + len(part), None, :], d + 1, axis=1)
        for path, order in zip(paths, part, strict=True):
            for step, feature in enumerate(order, 1):
                path[step:, spans[feature]] = row[spans[feature]]
        asked = paths.reshape(-1, paths.shape[2])
        answers = _few(output, asked) if 2**d < d * len(part) else output(asked)
        answers = answers.reshape(len(part), d + 1)
        np.add.at(total, np.array(part), np.diff(answers, axis=1))
    return total


def _few(output: Output, rows: Floats) -> Floats:
    """The same answers, asked once of equal rows: few features leave few ways to mix two rows.

    Rows are told apart by their bytes: of long texts, sorting them takes more than the model does.
    """
    places: dict[bytes, int] = {}
    at = [places.setdefault(row.tobytes(), len(places)) for row in rows]
    first = np.unique(at, return_index=True)[1]
    return output(rows[first])[at]


def _fewer(rows: Floats, most: int, rng: np.random.Generator) -> Floats:
    if len(rows) <= most:
        return rows
    return rows[np.sort(rng.choice(len(rows), most, replace=False))]


def answer_of(numbers: Any, p: Any, of: int) -> Floats:
    """The number that is explained: of a class its probability, else the prediction."""
    if p is None:
        return np.asarray(numbers, dtype=np.float64)
    return np.asarray(p, dtype=np.float64)[:, of]


def background_rows(X: Floats, seed: int = 0) -> bytes:
    """Random rows of the training data as the package keeps them: few, and of bounded size."""
    most = max(1, min(BACKGROUND_ROWS, BACKGROUND_BYTES // max(8 * X.shape[1], 1)))
    file = io.BytesIO()
    np.save(file, _fewer(X, most, np.random.default_rng(seed)), allow_pickle=False)
    return file.getvalue()


def read_background(data: bytes) -> Floats:
    """What :func:`background_rows` wrote."""
    rows: Floats = np.load(io.BytesIO(data), allow_pickle=False)
    return rows
