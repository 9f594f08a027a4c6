"""Parts of the training rows on which candidates are compared; the holdout is never touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from everloop.data.multilabel import strata
from everloop.data.splits.by_time import stretches
from everloop.data.splits.hashing import Hashes, fraction, salted
from everloop.data.splits.k_fold import dealt, parts_by_hash
from everloop.errors import InvalidInput, invalid
from everloop.train.spec import ValidationSpec

FEW_ROWS = 2_000  # below this, one part is too small to choose by: several take turns
AUTO_FOLDS = 5
FIELD = "train.validation"

Part = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Known:
    """What is known of n training rows beside features and target: what they are divided by.

    Attributes
    ----------
    times : milliseconds; None where the rows have no time, or are in its order and that is enough.
    together : codes; rows with one code never fit and validate. By time, those that validate are
        left out of the fit.
    hashes : of each row's group, id or features, which no row beside it moves.
    gap : milliseconds before the rows that validate, whose rows are left out of the fit.
    """

    times: np.ndarray | None = None
    together: np.ndarray | None = None
    hashes: Hashes | None = None
    gap: int = 0

    def of(self, rows: np.ndarray, salt: int) -> Known:
        """The same of some of the rows; other hashes, so that parts are divided anew."""

        def some(values: np.ndarray | None) -> np.ndarray | None:
            return None if values is None else values[rows]

        hashes = None if self.hashes is None else salted(self.hashes[rows], salt)
        return Known(some(self.times), some(self.together), hashes, self.gap)


def folds(
    y: np.ndarray,
    spec: ValidationSpec = ValidationSpec(),  # noqa: B008 - frozen
    known: Known = Known(),
    *,
    classification: bool,
    time_ordered: bool,
    seed: int,
) -> list[Part]:
    """Pairs of row numbers ``(fit, validate)``, as ``[train.validation]`` wants them.

    Parameters
    ----------
    y : targets in the order of the rows.
    classification : keep the share of each class in every part that chance deals out.
    time_ordered : rows have a time; then, unless ``spec`` says otherwise, what validates is later
        than what is fitted.
    seed : of the shuffle where neither order nor hashes divide the rows.

    Raises :class:`~everloop.errors.InvalidInput` when a part would be empty.
    """
    kind = chosen_kind(spec, time_ordered, known.together is not None)
    if kind == "forward" or (kind in ("auto", "holdout") and time_ordered):
        return by_time(len(y), _edges(kind, len(y), spec), known)
    if kind in ("k_fold", "grouped", "holdout", "stratified"):
        return _by_hash(kind, y, spec, known)
    if known.together is not None:
        return _whole(known.together, seed)
    order = np.random.default_rng(seed).permutation(len(y))
    if classification:
        codes = strata(y)[0] if y.ndim == 2 else y
        order = order[np.argsort(codes[order], kind="stable")]
    # Dealt round like cards, rows sorted by class fall on every part alike.
    part = np.empty(len(y), dtype=np.int64)
    part[order] = np.arange(len(y)) % AUTO_FOLDS
    return _turns(part, AUTO_FOLDS if len(y) < FEW_ROWS else 1)


def outer_parts(
    y: np.ndarray, spec: ValidationSpec, known: Known, time_ordered: bool
) -> list[Part]:
    """The parts of ``nested`` that judge: later ones where there is a time, else by hash."""
    if time_ordered:
        return by_time(len(y), _stretches(len(y), spec.outer), known)
    assert known.hashes is not None, "whoever asks for such parts gives the rows' hashes"
    part = parts_by_hash(known.hashes, spec.outer)
    if len(np.unique(part)) < spec.outer:
        raise _too_many("outer", spec.outer, known.hashes)
    return _turns(part, spec.outer)


def chosen_kind(spec: ValidationSpec, time_ordered: bool, grouped: bool) -> str:
    """What divides the rows: of ``nested``, the parts that choose."""
    if spec.kind != "nested":
        return spec.kind
    return "forward" if time_ordered else "grouped" if grouped else "k_fold"


def described(spec: ValidationSpec, parts: list[Part], time_ordered: bool, known: Known) -> str:
    """Which rows chose, for people."""
    kind = chosen_kind(spec, time_ordered, known.together is not None)
    later = kind == "forward" or (kind in ("auto", "holdout") and time_ordered)
    if later and len(parts) == 1:
        said = f"the latest {len(parts[0][1]):,} training rows"
    elif later:
        said = f"{len(parts)} stretches of time, each by what came before it"
    elif len(parts) == 1:
        said = f"{len(parts[0][1]):,} training rows that were set aside"
    else:
        said = f"{len(parts)} parts that take turns"
    if kind == "stratified":
        said += ", the same share of each class in each"
    if known.together is not None:
        said += ", whole groups"
    if later and known.gap:
        said += f", after a gap of {_days(known.gap)}"
    return said


def by_time(n: int, edges: Sequence[int], known: Known) -> list[Part]:
    """Each stretch between ``edges`` (positions by time) is judged by what came before it."""
    times = np.arange(n) if known.times is None else known.times
    order = np.argsort(times, kind="stable")
    ordered = times[order]
    spans = stretches(ordered, edges)
    if not spans:
        raise invalid("data.time", "<one time in the training rows>", "two different times or more")
    found = []
    for _, start, end in spans:
        last = start
        if known.gap:
            last = int(np.searchsorted(ordered, ordered[start] - known.gap, side="left"))
        if last:
            found.append(_apart(order[:last], order[start:end], known.together))
    if not found:
        raise invalid(
            f"{FIELD}.gap",
            f"<{_days(known.gap)}>",
            "less than what lies between the first training rows and those that validate",
            fix='It is evaluate.gap unless given; "0s" leaves none.',
        )
    return found


def _edges(kind: str, n: int, spec: ValidationSpec) -> list[int]:
    """Where the stretches begin, and the end of the last."""
    if kind == "holdout":
        return [n - max(1, round(n * spec.share)), n]
    if kind == "forward":
        return _stretches(n, spec.folds)
    return [n - round(n * 0.2), n] if n >= FEW_ROWS else _positions(0.4, n, 3)


def _stretches(n: int, parts: int) -> list[int]:
    return _positions(max(0.2, 1 / (parts + 1)), n, parts)  # the first rows only teach


def _positions(first: float, n: int, parts: int) -> list[int]:
    found: list[int] = np.linspace(n * first, n, parts + 1).round().astype(int).tolist()
    return found


def _by_hash(kind: str, y: np.ndarray, spec: ValidationSpec, known: Known) -> list[Part]:
    assert known.hashes is not None, "whoever asks for such parts gives the rows' hashes"
    if kind == "holdout":
        part = np.where(fraction(known.hashes) < spec.share, 0, 1)
        if len(np.unique(part)) < 2:
            part = np.where(known.hashes == known.hashes.min(), 0, 1)
        count = 1
    elif kind == "stratified":
        part, count = dealt(known.hashes, y, spec.folds), spec.folds
        codes = strata(y)[0] if y.ndim == 2 else y
        rarest = int(np.unique(codes, return_counts=True)[1].min())
        if rarest < count:
            most = f"at most {rarest}, the training rows of the rarest class"
            raise invalid(f"{FIELD}.folds", count, most)
    else:
        part, count = parts_by_hash(known.hashes, spec.folds), spec.folds
    if len(np.unique(part)) < max(count, 2):
        raise _too_many("folds", spec.folds, known.hashes)
    return _turns(part, count)


def _too_many(key: str, count: int, hashes: Hashes) -> InvalidInput:
    most = f"at most {len(np.unique(hashes))}, the training rows (or groups) that differ"
    return invalid(f"{FIELD}.{key}", count, most)


def _turns(part: np.ndarray, count: int) -> list[Part]:
    return [(np.flatnonzero(part != k), np.flatnonzero(part == k)) for k in range(count)]


def _whole(together: np.ndarray, seed: int) -> list[Part]:
    """Parts of whole groups, about as many rows in each; the largest group is placed first."""
    names, at, sizes = np.unique(together, return_inverse=True, return_counts=True)
    shuffled = np.random.default_rng(seed).permutation(len(names))
    filled = np.zeros(min(AUTO_FOLDS, len(names)))
    home = np.empty(len(names), dtype=np.int64)
    for group in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        home[group] = filled.argmin()
        filled[home[group]] += sizes[group]
    if len(names) < 2:
        raise invalid("evaluate.group_by", "<one group in the training rows>", "two or more")
    return _turns(home[at], len(filled) if len(together) < FEW_ROWS else 1)


def _apart(fit: np.ndarray, rows: np.ndarray, together: np.ndarray | None) -> Part:
    if together is None:
        return fit, rows
    kept = fit[~np.isin(together[fit], together[rows])]
    if len(kept) == 0:
        raise invalid(
            "evaluate.group_by", "<each group in every stretch of time>", "groups that end"
        )
    return kept, rows


def _days(span: int) -> str:
    return f"{span / 86_400_000:.3g} days"
