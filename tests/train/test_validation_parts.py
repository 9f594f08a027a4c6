"""Which rows fit and which validate: whole groups, later rows, gaps, and parts that stay."""

from __future__ import annotations

import numpy as np
import pytest

from everloop.errors import InvalidInput
from everloop.train.bounds import check_validation
from everloop.train.spec import ValidationSpec
from everloop.train.validation import Known, folds, outer_parts

RNG = np.random.default_rng(0)
DAY = 86_400_000


def parts(n: int, spec: ValidationSpec, known: Known, time_ordered: bool = False):
    y = RNG.integers(0, 2, n)
    return folds(y, spec, known, classification=True, time_ordered=time_ordered, seed=0)


def hashes(n: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 2**64, n, dtype=np.uint64)


@pytest.mark.parametrize("n", [600, 3000])
def test_groups_stay_whole(n: int) -> None:
    together = RNG.integers(0, 40, n)
    found = parts(n, ValidationSpec(), Known(together=together))
    assert len(found) == (5 if n < 2000 else 1)
    for fit, rows in found:
        assert not set(together[fit]) & set(together[rows])
        assert len(fit) + len(rows) == n
        assert 0.15 * n < len(rows) < 0.25 * n


def test_by_time_the_groups_that_validate_do_not_fit() -> None:
    together = np.arange(600) // 50
    together[300:310] = 11  # an early visit of one that comes late
    for fit, rows in parts(600, ValidationSpec(), Known(together=together), time_ordered=True):
        assert not set(together[fit]) & set(together[rows])
        assert fit.max() < rows.min()


def test_one_group_cannot_be_divided() -> None:
    with pytest.raises(InvalidInput, match="two or more"):
        parts(100, ValidationSpec(), Known(together=np.zeros(100)))
    with pytest.raises(InvalidInput, match="groups that end"):
        parts(600, ValidationSpec(), Known(together=np.zeros(600)), time_ordered=True)


@pytest.mark.parametrize("kind", ["k_fold", "holdout", "grouped"])
def test_new_rows_move_no_old_one(kind: str) -> None:
    found, spec = hashes(900), ValidationSpec(kind=kind, folds=4)
    before = parts(600, spec, Known(hashes=found[:600]))
    after = parts(900, spec, Known(hashes=found))
    assert len(before) == len(after) == (1 if kind == "holdout" else 4)
    for (_, old), (_, new) in zip(before, after, strict=True):
        assert new[new < 600].tolist() == old.tolist()


def test_each_row_validates_once_and_classes_keep_their_share() -> None:
    y = (np.arange(500) % 10 == 0).astype(np.int64)
    for kind in ("k_fold", "stratified"):
        spec = ValidationSpec(kind=kind, folds=10)
        known = Known(hashes=hashes(500))
        found = folds(y, spec, known, classification=True, time_ordered=False, seed=0)
        assert sorted(np.concatenate([rows for _, rows in found])) == list(range(500))
    assert {int(y[rows].sum()) for _, rows in found} == {5}
    with pytest.raises(InvalidInput, match="at most 50, the training rows of the rarest class"):
        folds(
            y,
            ValidationSpec(kind="stratified", folds=51),
            known,
            classification=True,
            time_ordered=False,
            seed=0,
        )


def test_few_groups_are_dealt_round_and_more_parts_than_groups_are_refused() -> None:
    known = Known(together=np.arange(70) % 7, hashes=hashes(7)[np.arange(70) % 7])
    found = parts(70, ValidationSpec(kind="grouped", folds=7), known)
    assert [len(rows) for _, rows in found] == [10] * 7
    with pytest.raises(InvalidInput, match="at most 7"):
        parts(70, ValidationSpec(kind="grouped", folds=8), known)


@pytest.mark.parametrize("kind", ["auto", "holdout", "forward", "nested"])
@pytest.mark.parametrize("n", [600, 3000])
def test_what_validates_is_later_by_a_gap_and_no_time_is_divided(kind: str, n: int) -> None:
    times = (np.arange(n) // 10)[np.random.default_rng(1).permutation(n)] * DAY
    known = Known(times=times, hashes=hashes(n), gap=7 * DAY)
    found = parts(n, ValidationSpec(kind=kind), known, time_ordered=True)
    assert len(found) == {"holdout": 1, "auto": 3 if n < 2000 else 1}.get(kind, 5)
    for fit, rows in found:
        assert times[fit].max() + 7 * DAY < times[rows].min()
    with pytest.raises(InvalidInput, match=r"train\.validation\.gap"):
        parts(n, ValidationSpec(kind=kind), Known(times=times, gap=400 * DAY), time_ordered=True)


@pytest.mark.parametrize("time_ordered", [False, True])
def test_outer_parts_of_nested_divide_and_their_inner_ones_divide_anew(time_ordered: bool) -> None:
    n, spec = 600, ValidationSpec(kind="nested", folds=3, outer=4)
    known = Known(times=np.arange(n) if time_ordered else None, hashes=hashes(n))
    y = RNG.integers(0, 2, n)
    found = outer_parts(y, spec, known, time_ordered)
    assert len(found) == 4
    for fit, rows in found:
        assert not set(fit) & set(rows)
        inner = parts(len(fit), spec, known.of(fit, salt=1), time_ordered)
        assert len(inner) == 3
        assert all(len(a) + len(b) <= len(fit) and len(b) > 20 for a, b in inner)


@pytest.mark.parametrize(
    ("spec", "time", "group_by", "said"),
    [
        (ValidationSpec(folds=1), None, None, "train.validation.folds: got 1, expected 2 or more"),
        (ValidationSpec(share=1.0), None, None, r"expected a share in \(0, 1\)"),
        (ValidationSpec(kind="forward"), None, None, "Name the column of time"),
        (ValidationSpec(kind="grouped"), None, None, "Name the column of groups"),
        (ValidationSpec(kind="stratified"), None, "site", "groups stay whole"),
        (ValidationSpec(gap="7d"), None, None, "expected no gap"),
        (ValidationSpec(kind="k_fold", gap="7d"), "t", None, "expected no gap"),
        (ValidationSpec(gap="7"), "t", None, "a number and a unit"),
    ],
)
def test_what_cannot_be_is_refused(spec, time, group_by, said) -> None:
    with pytest.raises(InvalidInput, match=said):
        check_validation(spec, time, group_by)
