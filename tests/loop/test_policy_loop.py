"""A policy goes round the loop: learnt, judged by its return, packaged, promoted and asked."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from loop_stream import carry_out

import everloop as el
from everloop.cli._cycles import describe
from everloop.errors import InvalidInput
from everloop.loop.declaration import from_dict, to_dict

LAKE = {
    "loop": {"name": "lake"},
    "data": {"environment": "FrozenLake-v1", "environment_arguments": {"is_slippery": False}},
    "train": {"space": {"q_learning": {"episodes": 800, "epsilon": 0.9}}},  # it is learnt 4 times
    "evaluate": {"episodes": 60, "gates": ["mean_return >= 0.9", "mean_return beats champion"]},
}


def test_a_policy_goes_round_the_loop(tmp_path: Path) -> None:
    loop = el.declare(tmp_path, el.from_dict(LAKE).declaration)
    with loop.project as project:
        first = carry_out(project, loop.run(wait=False))
        assert first.verdict == "promoted", first.reason
        assert "mean_return 1.0000 on 60 episodes" in (first.reason or "")
        table = project.cycles.step(first.id, "train")
        assert table is not None and table.result is not None
        assert [c["algorithm"] for c in table.result["candidates"]] == ["q_learning", "random"]
        judged = project.cycles.step(first.id, "evaluate")
        assert judged is not None and judged.result is not None
        (said,) = describe("evaluate", judged.result)
        assert said.startswith("mean_return 1.0000 [1.0000, 1.0000] on 60 episodes; 2 of 2 gates")
        answers = loop.predict(pl.DataFrame({"state": ["14", "10"]}))
        assert answers["y_pred"].to_list() == [2, 1]  # right to the goal, down past the hole
        (why,) = loop.explain(pl.DataFrame({"state": ["14"]}))
        assert (why.y_pred, why.of, why.answer) == (2, 2, 1.0)
        assert why.base + why.contributions["state"] == 1.0 and why.base < 0.9
        again = carry_out(project, loop.run(wait=False))
        assert again.verdict == "not_worth_it", again.reason
        for run in [c["run"] for c in table.result["candidates"]]:
            same = carry_out(project, loop.reproduce(run, wait=False))
            assert same.verdict == "reproduced", same.reason


def test_an_environment_needs_no_source_and_takes_none() -> None:
    declared = el.from_dict(LAKE).declaration
    assert (declared.data.source, declared.data.target) == ("environment:FrozenLake-v1", "action")
    assert from_dict(to_dict(declared)).declaration == declared
    data = {**LAKE["data"], "source": "rows.csv"}
    with pytest.raises(InvalidInput, match=r"no source beside data\.environment"):
        el.from_dict({**LAKE, "data": data})
