"""Every refusal of a loop file is one sentence that names the key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from everloop.errors import InvalidInput, NotFound
from everloop.loop.declaration import from_dict, load_file, parse, to_dict

DATA = {"source": "a.csv", "target": "y"}


def test_five_lines_are_enough() -> None:
    text = '[data]\nsource = "a.csv"\ntarget = "y"\n'
    declared = parse(text, default_name="my folder!").declaration
    assert (declared.name, declared.endpoint, declared.loop.seed) == ("my-folder", "my-folder", 0)
    assert from_dict(to_dict(declared)).declaration == declared


@pytest.mark.parametrize(
    ("folder", "name"), [("_x", "x"), ("..", "loop"), ("äß", "loop"), ("a" * 200, "a" * 100)]
)
def test_any_folder_gives_a_name(folder: str, name: str) -> None:
    assert from_dict({"data": DATA}, folder).declaration.name == name


def test_the_endpoint_is_the_loops_own_unless_given() -> None:
    given = {"loop": {"name": "a"}, "data": DATA, "deploy": {"endpoint": "b"}}
    assert from_dict(given).declaration.endpoint == "b"


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"loop": {"name": "a\n"}}, "loop.name", "letters, digits"),
    ({"loop": {"name": "a b"}}, "loop.name", "letters, digits"),
    ({"loop": {"name": "x" * 101}}, "loop.name", "at most 100"),
    ({"loop": {"name": 5}}, "loop.name", "text"),
    ({"loop": {"seed": -1}}, "loop.seed", "from 0"),
    ({"loop": {"seed": 2**31}}, "loop.seed", "2147483647"),
    ({"loop": {"seed": True}}, "loop.seed", "whole number"),
    ({"loop": "a"}, "loop", "a section [loop]"),
    ({"data": {**DATA, "source": ""}}, "data.source", "a path"),
    ({"data": {"source": "a.csv"}}, "data.target", "a value for target"),
    ({"data": {**DATA, "tiem": "t"}}, "data.tiem", '"time"'),
    ({"data": {**DATA, "ignore": "a"}}, "data.ignore", "a list"),
    ({"data": {**DATA, "time": "y"}}, "data.time", "other than data.target"),
    ({"data": {**DATA, "id": "y"}}, "data.id", "other than data.target"),
    ({"data": {**DATA, "ignore": ["y"]}}, "data.ignore", "other than data.target"),
    ({"train": {"search": {"trials": -1}}}, "train.search.trials", "0 or more"),
    ({"train": {"search": {"trials": "many"}}}, "train.search.trials", "whole number"),
    ({"train": {"search": {"timeout": "soon"}}}, "train.search.timeout", "7d"),
    ({"train": {"search": {"trails": 1}}}, "train.search.trails", '"trials"'),
    ({"evaluate": {"holdout": 1}}, "evaluate.holdout", "a share in (0, 1)"),
    ({"evaluate": {"holdout": 0.0}}, "evaluate.holdout", "a share in (0, 1)"),
    ({"evaluate": {"holdout": float("nan")}}, "evaluate.holdout", "a share in (0, 1)"),
    ({"evaluate": {"holdout": "7d"}}, "evaluate.holdout", "Name the time column"),
    ({"evaluate": {"split": "randm"}}, "evaluate.split", '"random"'),
    ({"deploy": {"endpoint": "a/b"}}, "deploy.endpoint", "letters"),
    ({"deploy": {"endpoint": "a\n"}}, "deploy.endpoint", "letters"),
    ({"deploy": {"rollout": {"kind": "canari"}}}, "deploy.rollout.kind", '"canary"'),
    ({"deploy": {"rollout": {"steps": []}}}, "deploy.rollout.steps", "rising"),
    ({"deploy": {"rollout": {"steps": [0.5, 0.5, 1.0]}}}, "deploy.rollout.steps", "rising"),
    ({"deploy": {"rollout": {"steps": [0.0, 1.0]}}}, "deploy.rollout.steps", "rising"),
    ({"deploy": {"rollout": {"steps": [0.5]}}}, "deploy.rollout.steps", "the last 1.0"),
    ({"deploy": {"rollout": {"max_error_rate": 1}}}, "deploy.rollout.max_error_rate", "share"),
    ({"deploy": {"rollout": {"min_requests": 0}}}, "deploy.rollout.min_requests", "1 or more"),
    ({"deploy": {"rollout": {"share": 1}}}, "deploy.rollout.share", "between"),
    ({"deploy": {"rollout": {"max_latency": 0.5}}}, "deploy.rollout.max_latency", "1 or more"),
    ({"deploy": {"rollout": {"guards": ["latncy"]}}}, "deploy.rollout.guards", '"latency"'),
    ({"deploy": {"rollout": {"hold": "1"}}}, "deploy.rollout.hold", "7d"),
    ({"monitor": {"window": "a day"}}, "monitor.window", "7d"),
    ({"monitor": {"false_alarm_rate": 0}}, "monitor.false_alarm_rate", "share"),
    ({"monitor": {"min_effect": 2}}, "monitor.min_effect", "from 0 to 1"),
    ({"monitor": {"min_rows": 0}}, "monitor.min_rows", "1 or more"),
    ({"monitor": {"window": "0 rows"}}, "monitor.window", "1 row or more"),
    ({"monitor": {"reference": "rollin"}}, "monitor.reference", '"rolling"'),
    ({"monitor": {"tests": ["wasserstien"]}}, "monitor.tests", '"wasserstein"'),
    ({"monitor": {"feature_tests": {"a": ["x"]}}}, "monitor.feature_tests.a", "one of"),
    ({"monitor": {"multivariate": ["clasifier"]}}, "monitor.multivariate", '"classifier"'),
    ({"monitor": {"sequential": ["adwinn"]}}, "monitor.sequential", '"adwin"'),
    ({"monitor": {"control": "lord++"}}, "monitor.control", '"lord"'),
    ({"monitor": {"run_length": 0}}, "monitor.run_length", "1 window or more"),
    ({"monitor": {"tolerance": 1}}, "monitor.tolerance", "standard deviations"),
    ({"monitor": {"performance": {"tolerance": 1}}}, "monitor.performance.tolerance", "share"),
    (
        {"monitor": {"performance": {"labels_after": "x"}}},
        "monitor.performance.labels_after",
        "7d",
    ),
    ({"update": {"cooldown": "never"}}, "update.cooldown", "7d"),
    ({"update": {"approval": "humn"}}, "update.approval", '"human"'),
    ({"updates": {}}, "updates", '"update"'),
    ({"data": {**DATA, "ignore": "a"}}, "data.ignore", 'Write ["a"].'),
    ({"train": {"refit": True}}, "train.refit", "one of train, all"),
    ({"train": {"search": 5}}, "train.search", "a table of trials, timeout"),
    ({"deploy": {"rollout": "canary"}}, "deploy.rollout", "a table of kind, steps"),
    ({"train": {"prepare": {"select": ["l2"]}}}, "train.prepare.select", "one of variance, corr"),
]


@pytest.mark.parametrize(("wrong", "key", "said"), REFUSED, ids=[f"{k}-{s}" for _, k, s in REFUSED])
def test_a_refusal_names_the_key_and_the_way_out(
    wrong: dict[str, Any], key: str, said: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        from_dict({"loop": {"name": "a"}, "data": DATA, **wrong})
    assert refused.value.message.startswith(key), refused.value.message
    assert said in refused.value.message


def test_a_task_that_is_none_is_answered_with_all_tasks() -> None:
    with pytest.raises(InvalidInput) as refused:
        from_dict({"loop": {"name": "a"}, "data": {**DATA, "task": "forecast"}})
    assert "expected one of regression, binary" in refused.value.message
    assert "None" not in refused.value.message and "typing" not in refused.value.message


def test_what_is_no_loop_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no such file"):
        load_file(tmp_path)
    for content, said in ((b"\xff", "UTF-8"), (b"[data", "TOML"), (b"", "a section \\[data\\]")):
        (tmp_path / "everloop.toml").write_bytes(content)
        with pytest.raises(InvalidInput, match=said):
            load_file(tmp_path)
