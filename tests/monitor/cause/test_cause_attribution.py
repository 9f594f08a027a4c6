"""How much of a loss comes from what, on worlds where that is known."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from cause_worlds import AUC, SCHEMA, world

from everloop.monitor.cause.attribution import CONCEPT, OTHERS, Attribution, Part, attribute
from everloop.monitor.cause.matching import draw, match


@cache
def told(*leading: str, **change: float | str) -> Attribution:
    after = world(2, **change)  # type: ignore[arg-type]
    return attribute(world(1), after, SCHEMA, AUC, "roc_auc", list(leading))


def part(found: Attribution, name: str) -> Part:
    one = found.part(name)
    assert one is not None
    return one


def test_a_covariate_shift_is_told_by_its_feature() -> None:
    found = told("x0", "x1", scale=0.4)
    assert found.note == ""
    assert found.loss is not None and found.loss > 0.05
    assert part(found, "x0").share == pytest.approx(1, abs=0.25)
    assert part(found, CONCEPT).low < 0.1
    assert part(found, CONCEPT).share == pytest.approx(0, abs=0.25)


def test_a_concept_change_is_told_whatever_led() -> None:
    found = told("x0", concept=0.5)
    assert part(found, CONCEPT).share == pytest.approx(1, abs=0.05)
    assert abs(part(found, "x0").share) < 0.05


def test_both_at_once_are_told_apart() -> None:
    alone = told("x0", scale=0.5).loss, told("x0", concept=0.3).loss
    found = told("x0", "x1", scale=0.5, concept=0.3)
    assert alone[0] is not None and alone[1] is not None and found.loss is not None
    # Each contributes about what it costs alone; they add up since parts always do.
    assert part(found, "x0").loss == pytest.approx(alone[0], abs=0.035)
    assert part(found, CONCEPT).loss == pytest.approx(found.loss - alone[0], abs=0.035)
    assert sum(p.loss for p in found.parts) == pytest.approx(found.loss, abs=1e-4)
    assert {p.name for p in found.parts} == {"x0", "x1", OTHERS, CONCEPT}


def test_a_broken_client_is_no_concept_change() -> None:
    found = told("x0", broken="c2")
    assert part(found, "x0").share == pytest.approx(1, abs=0.3)
    assert part(found, CONCEPT).share == pytest.approx(0, abs=0.3)


def test_a_change_of_unit_comes_with_its_feature_and_says_what_cannot_be_known() -> None:
    found = told("x0", unit=1000.0)
    assert part(found, "x0").share == pytest.approx(1, abs=0.15)
    assert found.matched is not None and found.matched < 600
    assert "almost no rows in common" in found.note and found.part(CONCEPT) is None


def test_no_change_is_not_divided() -> None:
    found = told("x0")
    assert found.parts == []
    assert "within its error" in found.note
    few = attribute(world(1, 100), world(2), SCHEMA, AUC, "roc_auc", [])
    assert few.note == "not enough evidence: 100 labelled rows on one side, 200 needed"


def test_the_same_rows_give_the_same_answer() -> None:
    again = attribute(world(1), world(2, concept=0.5), SCHEMA, AUC, "roc_auc", ["x0"])
    assert again == told("x0", concept=0.5)


def test_matched_rows_are_alike() -> None:
    rng = np.random.default_rng(0)
    before, after = rng.normal(size=(5_000, 1)), rng.normal(0.8, 1, size=(5_000, 1))
    found = match(before, after, [])
    means = [
        float(np.average(x[:, 0], weights=w))
        for x, w in ((before, found.before), (after, found.after))
    ]
    assert means[0] == pytest.approx(means[1], abs=0.1)
    assert means[0] == pytest.approx(0.4, abs=0.1)
    assert 1_000 < found.size < 5_000


def test_sides_that_a_column_tells_apart_have_nothing_in_common() -> None:
    year = np.full((2_000, 1), 2015.0)
    assert match(year, year + 3, []).size < 100
    assert match(year, year, []).size == pytest.approx(2_000, rel=0.05)


def test_rows_are_drawn_as_often_as_they_weigh() -> None:
    assert draw(np.array([1.0, 2.0, 1.0]), 4).tolist() == [0] * 3 + [1] * 6 + [2] * 3
