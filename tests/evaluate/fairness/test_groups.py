"""Every number by group is Fairlearn's; small groups are shown and not judged."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from everloop.errors import InvalidInput
from everloop.evaluate.fairness.groups import by_group, wilson

fairlearn = pytest.importorskip("fairlearn.metrics")


def people(n: int = 2_000) -> tuple[pl.DataFrame, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    sex, place = rng.choice(["f", "m"], n), rng.choice(["a", "b", "c"], n)
    y = (rng.random(n) < 0.4).astype(np.int64)
    pred = (rng.random(n) < 0.3 + 0.2 * (sex == "m") + 0.3 * y).astype(np.int64)
    frame = pl.DataFrame({"sex": sex, "place": place, "age": rng.uniform(18, 80, n)})
    return frame, y, pred


def test_differences_and_ratios_are_those_of_fairlearn() -> None:
    frame, y, pred = people()
    groups = frame["sex"].to_numpy()
    found = by_group(frame, ["sex"], y, pred)
    for name in (
        "demographic_parity_difference",
        "demographic_parity_ratio",
        "equalized_odds_difference",
        "equalized_odds_ratio",
        "equal_opportunity_difference",
    ):
        want = getattr(fairlearn, name)(y, pred, sensitive_features=groups)
        assert getattr(found, name) == pytest.approx(want), name
    assert found.four_fifths is (found.demographic_parity_ratio >= 0.8)


def test_groups_of_an_intersection_are_those_of_fairlearn() -> None:
    frame, y, pred = people()
    keys = frame.select("sex", "place").to_pandas()
    names = {"selection_rate": fairlearn.selection_rate, "rows": fairlearn.count,
             "true_positive_rate": fairlearn.true_positive_rate}  # fmt: skip
    want = fairlearn.MetricFrame(
        metrics=names, y_true=y, y_pred=pred, sensitive_features=keys
    ).by_group
    found = by_group(frame, ["sex", "place"], y, pred)
    assert len(found.groups) == 6
    for group in found.groups:
        row = want.loc[tuple(group.name.split(" × "))]
        assert group.rows == row["rows"]
        assert group.selection_rate.value == pytest.approx(row["selection_rate"])
        assert group.true_positive_rate.value == pytest.approx(row["true_positive_rate"])


def test_a_group_of_three_rows_is_shown_and_not_judged() -> None:
    frame, y, pred = people()
    sex = ["x"] * 3 + frame["sex"].to_list()[3:]
    pred[:3] = 0
    found = by_group(frame.with_columns(sex=pl.Series(sex)), ["sex"], y, pred)
    small = next(g for g in found.groups if g.name == "x")
    assert not small.judged and small.rows == 3 and small.selection_rate.high > 0.5
    assert found.demographic_parity_ratio > 0  # the three rows would have made it 0


@pytest.mark.parametrize(
    ("first", "step", "names"),
    [
        (1_700_000_000, 1, ["< 1.700001e+09", "≥ 1.700003e+09"]),
        (20_000, 0.001, ["< 20,001", "≥ 20,003"]),
        (2_000, 1e-6, ["< 2000.001", "≥ 2000.003"]),
    ],
)
def test_quarters_are_as_many_groups_however_close_they_are(
    first: float, step: float, names: list[str]
) -> None:
    frame = pl.DataFrame({"when": first + step * np.arange(4_000)})
    found = by_group(frame, ["when"], np.arange(4_000) % 2, np.arange(4_000) % 2)
    assert [group.rows for group in found.groups] == [1_000] * 4
    assert {f"when {name}" for name in names} <= {group.name for group in found.groups}


def test_a_number_is_cut_at_its_quartiles_and_missing_is_a_group() -> None:
    frame, y, pred = people()
    age = pl.when(pl.col("age") < 20).then(None).otherwise(pl.col("age"))
    found = by_group(frame.with_columns(age=age), ["age"], y, pred)
    assert len(found.groups) == 5 and "(missing)" in {g.name for g in found.groups}
    assert sum(g.rows for g in found.groups) == len(y)


def test_one_group_has_no_ratio_and_no_verdict() -> None:
    frame, y, pred = people()
    found = by_group(frame.with_columns(sex=pl.lit("f")), ["sex"], y, pred)
    assert found.demographic_parity_ratio is None and found.four_fifths is None


def test_a_column_that_is_not_there_is_named_with_the_nearest() -> None:
    frame, y, pred = people(50)
    with pytest.raises(InvalidInput, match="sexe") as error:
        by_group(frame, ["sexe"], y, pred)
    assert error.value.fix == 'Did you mean "sex"?'


def test_wilson_by_hand() -> None:
    share = wilson(0, 10)  # z²/(n+z²)
    assert share.low == 0.0 and share.high == pytest.approx(3.8415 / 13.8415, abs=1e-4)
    assert wilson(0, 0).value is None
