"""A bandit goes round the loop: it learns from logged rewards, and then from its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from loop_stream import carry_out

import everloop as el
from bandit_stream import AT, chances, contexts, policy_of, serve, skewed, table, true_value
from everloop.data.declared import infer_declared, read_declared
from everloop.errors import InvalidInput
from everloop.evaluate.metrics import get_metric
from everloop.monitor.answers import scored_rows

DATA = {"source": "rows.parquet", "target": "clicked", "action": "offer", "propensity": "p"}


def declared(folder: Path) -> Any:
    sections = {
        "loop": {"name": "offers"},
        "data": DATA,
        "train": {"candidates": ["ridge"], "explore": 0.2},
    }
    return el.declare(folder, el.from_dict(sections).declaration)


def test_a_bandit_learns_from_the_rewards_of_others_and_then_of_its_own(tmp_path: Path) -> None:
    table(1_500, 0).write_parquet(tmp_path / "rows.parquet")
    loop = declared(tmp_path)
    first = carry_out(loop.project, loop.run(wait=False))
    assert first.verdict == "promoted", first.reason
    tested = loop.project.cycles.step(first.id, "evaluate").result
    assert {"value_dr", "value_snips", "value_ips"} == set(tested["metrics"])
    assert tested["metric"] == "value_dr" and "effective sample size" in tested["notes"][0]
    candidates = loop.project.cycles.step(first.id, "train").result["candidates"]
    assert candidates[-1]["params"] == {"strategy": "best action"}
    asked = contexts(20_000, 9)
    before = policy_of(loop, asked)
    assert before.min() == pytest.approx(0.2 / 3)
    assert true_value(asked, before) > true_value(asked, skewed(asked)) + 0.1

    X = contexts(3_000, 21)  # what pleased does not any more
    serve(loop, X, np.random.default_rng(5).random((3_000, 3)) < chances(-X))
    schema = loop.project.package(loop.project.champion("offers"))[1].schema
    logged = loop.project.log.labelled("offers", schema)
    assert logged.columns == ["x", "z", "offer", "p", "clicked"] and logged.height == 3_000
    assert set(logged["p"].round(6)) == {round(0.2 / 3, 6), round(0.8 + 0.2 / 3, 6)}
    scored = scored_rows(loop.project.log, "offers", schema, 0, 2 * AT)
    earned = get_metric("value_dr").score(scored.y, scored.pred, scored.proba)
    assert earned == pytest.approx(logged["clicked"].mean())
    assert scored.proba is not None and set(scored.proba.shape) == {3_000, 1}
    second = carry_out(loop.project, loop.run(wait=False))
    assert second.verdict == "promoted", second.reason
    gate = loop.project.cycles.step(second.id, "evaluate").result["gates"][0]
    assert gate["gate"] == "value_dr beats champion" and gate["low"] > 0
    # -X are the contexts in which the new world rewards as the old one did.
    assert true_value(-asked, policy_of(loop, asked)) > true_value(-asked, before) + 0.1
    loop.project.close()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"propensity": "x"}, "a probability above 0 and up to 1"),
        ({"propensity": "q"}, "data.propensity"),
        ({"action": "clicked"}, "a column other than data.target"),
        ({"task": "multiclass"}, '"bandit", as data.action is given'),
        ({"action": None}, "data.action beside it"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused(
    tmp_path: Path, data: dict[str, Any], told: str
) -> None:
    table(60, 1).write_parquet(tmp_path / "rows.parquet")
    with pytest.raises(InvalidInput, match=told):
        spec = el.from_dict({"data": DATA | data}).declaration.data
        infer_declared(read_declared(spec, tmp_path), spec, tmp_path)
