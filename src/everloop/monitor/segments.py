"""Where answers are worst: every part of the rows that one or two features tell apart.

Looked through are the levels of categories, the quarters of numbers and what is missing, and each
two of them together, wherever 2 % of the rows and at least 30 are in it: all of them, so that the
correction for having looked covers all. Two together are named where they are surely worse than
either alone. Each is tested against the rest of the rows, and the share
of false ones among those named is at most 5 % (Benjamini & Hochberg, JRSS B 1995).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
import numpy as np
import scipy
from numpy.typing import NDArray

from everloop.monitor.control import benjamini_hochberg
from everloop.monitor.estimation.heldout import MISSING, UNSEEN, Codes, Floats, HeldOut, Scale

LEVEL = 0.05
LEAST, SMALLEST = 30, 0.02  # rows, and their share
QUARTERS = 4
MOST_LEVELS = 20  # of a category
MOST_PARTS = 300
SHOWN = 8
ALIKE = 0.6  # rows in common with a worse segment, as a share of both together
BATCH = 20_000


class Segment(msgspec.Struct, frozen=True):
    """One part of the rows, and the mean loss in it.

    ``rest`` is the mean loss of the other rows and ``tested`` that of the same segment among the
    held-out rows (None where it has fewer than 30 there); ``p_value`` is adjusted for all segments
    that were looked at.
    """

    name: str
    rows: int
    loss: float
    low: float
    high: float
    rest: float
    tested: float | None
    p_value: float


class Losses(NamedTuple):
    """A loss a row: its expected value, and that of its square (they agree where it is known)."""

    mean: Floats
    square: Floats


class Segments(msgspec.Struct, frozen=True):
    """The worst ones first, what their ``loss`` is, and among how many they were found."""

    loss: str
    overall: float
    looked: int
    worst: tuple[Segment, ...] = ()


class Part(NamedTuple):
    """Rows with a feature between two codes."""

    name: str
    feature: int
    codes: tuple[int, int]  # first and last

    def rows(self, codes: Codes) -> NDArray[np.bool_]:
        column = codes[:, self.feature]
        return (column >= self.codes[0]) & (column <= self.codes[1])


def losses(y: NDArray[Any], pred: NDArray[Any], costs: Floats | None) -> Floats:
    """What each answer lost: money by a table of costs, else 1 for a wrong class, or how far a
    number is off."""
    if y.dtype.kind == "f":
        return np.asarray(np.abs(y - pred))
    return np.asarray((y != pred).astype(np.float64) if costs is None else costs[y, pred])


def loss_name(numeric: bool, costs: Floats | None) -> str:
    """What :func:`losses` are, in words."""
    return "absolute error" if numeric else "share wrong" if costs is None else "cost"


def worst_segments(
    held: HeldOut, codes: Codes, found: Losses, tested: Floats, name: str, clusters: float = 1.0
) -> Segments:
    """The segments of n rows whose loss is larger than that of the rest, with what they were.

    ``tested`` are the losses of the held-out rows; ``clusters`` how many rows are worth one.
    """
    n = len(codes)
    overall = float(found.mean.mean()) if n else 0.0
    parts = [part for part in parts_of(held.scales, held.codes) if _enough(part.rows(codes), n)]
    parts = parts[:MOST_PARTS]
    if not parts:
        return Segments(name, overall, 0)
    member = np.column_stack([part.rows(codes) for part in parts])
    count, total, squares = (_together(member, v) for v in (None, found.mean, found.square))
    different = np.array([[a.feature != b.feature for b in parts] for a in parts])
    eligible = np.triu((different | np.eye(len(parts), dtype=bool)) & _wide(count, n))
    eligible &= n - count >= LEAST
    first, second = np.nonzero(eligible)
    rows, lost, square = (m[first, second] for m in (count, total, squares))
    mean, rest = lost / rows, (found.mean.sum() - lost) / (n - rows)
    spread = np.maximum(square / rows - mean**2, 0) / rows
    rest_square = (found.square.sum() - square) / (n - rows)
    error = np.sqrt(clusters * (spread + np.maximum(rest_square - rest**2, 0) / (n - rows)))
    p = np.where(error > 0, scipy.special.ndtr(-(mean - rest) / np.maximum(error, 1e-300)), 1.0)
    adjusted = benjamini_hochberg(p)
    half = 1.96 * np.sqrt(clusters * spread)
    # A pair is worth naming where it is surely worse than either of its parts by itself.
    alone = np.diag(total) / np.maximum(np.diag(count), 1)
    parent = np.maximum(alone[first], alone[second])
    finer = (first == second) | (mean - half > parent)
    chosen: list[Segment] = []
    masks: list[NDArray[np.bool_]] = []
    for i in np.argsort(-mean, kind="stable"):
        pair = (parts[first[i]], parts[second[i]])
        if adjusted[i] > LEVEL or not finer[i] or len(chosen) == SHOWN:
            continue
        mask = pair[0].rows(codes) & pair[1].rows(codes)
        if any((mask & other).sum() > ALIKE * (mask | other).sum() for other in masks):
            continue
        masks.append(mask)
        chosen.append(
            Segment(
                pair[0].name if pair[0] is pair[1] else f"{pair[0].name} and {pair[1].name}",
                int(rows[i]),
                float(mean[i]),
                float(mean[i] - half[i]),
                float(mean[i] + half[i]),
                float(rest[i]),
                _before(pair, held.codes, tested),
                float(adjusted[i]),
            )
        )
    return Segments(name, overall, len(p), tuple(chosen))


def _before(pair: tuple[Part, Part], codes: Codes, tested: Floats) -> float | None:
    mask = pair[0].rows(codes) & pair[1].rows(codes)
    return float(tested[mask].mean()) if mask.sum() >= LEAST else None


def parts_of(scales: Sequence[Scale], held: Codes) -> Iterator[Part]:
    """Single segments of every feature: quarters by the held-out rows, so they stay the same."""
    for i, scale in enumerate(scales):
        yield Part(f"{scale.name} missing", i, (MISSING, MISSING))
        if scale.levels:
            for code in range(1, min(len(scale.levels), MOST_LEVELS) + 1):
                yield Part(scale.told(code, code), i, (code, code))
            yield Part(f"{scale.name} unseen", i, (UNSEEN, UNSEEN))
            continue
        known = np.sort(held[held[:, i] != MISSING, i])
        if not len(known):
            continue
        cuts = known[(np.arange(1, QUARTERS) * len(known)) // QUARTERS].astype(int)
        edges = [0, *np.unique(cuts).tolist(), scale.size]
        for low, high in pairwise(edges):
            if high > low:
                yield Part(scale.told(low + 1, high), i, (low + 1, high))


def _enough(rows: NDArray[np.bool_], n: int) -> bool:
    return max(LEAST, SMALLEST * n) <= int(rows.sum()) < n


def _wide(count: Floats, n: int) -> NDArray[np.bool_]:
    return count >= max(LEAST, SMALLEST * n)


def _together(member: NDArray[np.bool_], values: Floats | None) -> Floats:
    """The sum of ``values`` (or how many) of the rows that are in each two parts."""
    out = np.zeros((member.shape[1], member.shape[1]))
    for start in range(0, len(member), BATCH):
        part = member[start : start + BATCH].astype(np.float64)
        weighted = part if values is None else part * values[start : start + BATCH, None]
        out += part.T @ weighted
    return out
