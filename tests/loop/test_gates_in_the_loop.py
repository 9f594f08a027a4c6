"""Gates as a cycle meets them: the user's word, the marker, and a real server process."""

from __future__ import annotations

from pathlib import Path

import msgspec
import polars as pl
import pytest
from loop_stream import carry_out, declaration, write_rows

from everloop.errors import Conflict, InvalidInput
from everloop.loop.answers import PackagedModel
from everloop.loop.checking import check
from everloop.loop.cycles import Cycle
from everloop.loop.loop import Loop, declare
from everloop.loop.project import Project
from everloop.loop.served import served_latency_ms


def cycle_with(folder: Path, **evaluate: object) -> tuple[Loop, Cycle]:
    write_rows(folder)
    loop = declare(folder, declaration(evaluate=evaluate))
    return loop, carry_out(loop.project, loop.run(wait=False))


def evaluation(loop: Loop, cycle: Cycle) -> dict:
    step = loop.project.cycles.step(cycle.id, "evaluate")
    assert step is not None and step.result is not None
    return step.result


def markers(project: Project, run: str) -> list[str]:
    location = project.runs.get(run).location
    folder = location.partition(":/")[2].strip("/")
    return [entry.name for entry in project.artifacts.walk(f"{folder}/blessing")]


def test_a_version_that_passes_is_blessed(folder: Path) -> None:
    with Project.open(folder) as project:
        champion = project.champion("flow")
        assert champion is not None and champion.run is not None
        assert markers(project, champion.run) == ["BLESSED"]


@pytest.mark.parametrize(
    ("words", "verdict", "marker"),
    [
        ({}, "rejected", "NOT_BLESSED"),
        ({"on_fail": "pass"}, "promoted", "BLESSED"),
        ({"on_fail": "ask"}, None, "NOT_BLESSED"),
    ],
)
def test_what_a_failed_gate_does_is_the_users_word(
    tmp_path: Path, words: dict, verdict: str | None, marker: str
) -> None:
    loop, cycle = cycle_with(tmp_path, gates=("accuracy >= 0.999",), **words)
    with loop.project as project:
        assert cycle.verdict == verdict
        assert (cycle.state == "waiting") == (verdict is None)
        result = evaluation(loop, cycle)
        assert result["blessing"]["marker"] == marker
        train = project.cycles.step(cycle.id, "train")
        assert train is not None and train.result is not None
        assert markers(project, train.result["run"]) == [marker]
        if verdict is None:
            assert "accuracy" in result["asks"][0]
            with pytest.raises(Conflict, match=f"cycle {cycle.number} waits for a person's word"):
                loop.train(wait=False)
            loop.decide(cycle.id, approved=True, by="a person")
            assert carry_out(project, cycle).verdict == "promoted"
            tested = carry_out(project, loop.test(wait=False))
            assert tested.verdict == "failed_gates" and tested.reason == result["asks"][0]


def test_latency_is_that_of_a_server_process(folder: Path) -> None:
    with Project.open(folder) as project:
        champion = project.champion("flow")
        assert champion is not None
        model = PackagedModel(*project.package(champion))
        rows = project.datasets.load(champion.dataset or "", 0, 200)
        found = served_latency_ms(model, rows)
        inside = model.latency_ms(rows)
    assert found is not None and inside is not None
    assert inside < found < 10_000  # the way there and back is in it


@pytest.mark.parametrize(
    ("evaluate", "answer"),
    [
        ('gates = ["accuracy gap by sit <= 0.1"]', 'Did you mean "site"'),
        ('sensitive = ["sit"]', r'sensitive\[0\].*Did you mean "site"'),
        ("[evaluate.cost]\nmatrix = [[0.0, 1.0]]", "2 rows of 2 numbers"),
    ],
)
def test_check_holds_gates_and_costs_against_the_data(
    tmp_path: Path, evaluate: str, answer: str
) -> None:
    rows = "".join(f"{i},{'ab'[i % 3 > 0]},{i % 2}\n" for i in range(60))
    (tmp_path / "d.csv").write_text("x,site,y\n" + rows)
    section = evaluate if evaluate.startswith("[") else f"[evaluate]\n{evaluate}"
    (tmp_path / "everloop.toml").write_text(f'[data]\nsource = "d.csv"\ntarget = "y"\n{section}\n')
    with pytest.raises(InvalidInput, match=answer):
        check(tmp_path)


def test_groups_that_the_model_ignores_are_looked_at_all_the_same(tmp_path: Path) -> None:
    write_rows(tmp_path)
    rows = pl.read_csv(tmp_path / "rows.csv").with_row_index("n")
    rows.with_columns(site=pl.col("n") % 2).drop("n").write_csv(tmp_path / "rows.csv")
    told = declaration(
        data={"ignore": ["site"]}, evaluate={"gates": ["size_mb <= 5"], "sensitive": ["site"]}
    )
    loop = declare(tmp_path, told)
    with loop.project as project:
        cycle = carry_out(project, loop.run(wait=False))
        assert cycle.verdict == "promoted", cycle.reason
        made = evaluation(loop, cycle)
        report = msgspec.json.decode(project.blobs.get(made["report"]["report.json"]))
        assert [one["columns"] for one in report["fairness"]] == [["site"]]
        # What is served is as large before it is packaged as after.
        again = carry_out(project, loop.test(wait=False))
        retested = project.cycles.step(again.id, "retest")
        assert retested is not None and retested.result is not None
        assert retested.result["gates"][0]["value"] == made["gates"][0]["value"]


def test_groups_that_are_not_in_the_data_are_refused_before_training(tmp_path: Path) -> None:
    loop, cycle = cycle_with(tmp_path, gates=(), sensitive=("site",))
    with loop.project as project:
        assert cycle.verdict == "refused" and cycle.reason is not None
        assert "evaluate.sensitive[0]: got 'site', expected columns of the data" in cycle.reason
        assert project.cycles.step(cycle.id, "train") is None


def test_the_champion_that_is_tested_has_no_other_to_beat(tmp_path: Path) -> None:
    loop, cycle = cycle_with(tmp_path, gates=("accuracy beats champion",))
    with loop.project as project:
        assert evaluation(loop, cycle)["gates"][0]["detail"] == "There is no champion yet."
        again = carry_out(project, loop.test(wait=False))
        step = project.cycles.step(again.id, "retest")
        assert step is not None and step.result is not None
        (gate,) = step.result["gates"]
        assert gate["verdict"] == "pass" and "This version is the champion" in gate["detail"]
