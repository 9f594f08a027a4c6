"""Sections of a loop file that cannot both be kept are named before anything runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from everloop.errors import InvalidInput
from everloop.loop.checking import check, check_words
from everloop.loop.declaration import Declaration, from_dict

FULL = {"search": "full"}


def declared(**sections: Any) -> Declaration:
    return from_dict({"data": {"source": "a.csv", "target": "y"}, **sections}).declaration


@pytest.mark.parametrize(
    ("sections", "path", "said"),
    [
        (
            {"train": {"search": {"timeout": "3h"}, "limits": {"time": "2h"}}},
            "train.search.timeout", 'at most "2h", when train.limits.time ends the step',
        ),
        (
            {
                "train": {"search": {"timeout": "3h"}},
                "update": FULL | {"budget": ["2h of compute per 7d"]},
            },
            "train.search.timeout", 'the budget "2h of compute per 7d" has room for',
        ),
        (
            {
                "train": {"search": {"timeout": "3h"}},
                "update": FULL | {"budget": ["5 of money per 30d"], "hour": 2.0},
            },
            "train.search.timeout", 'the budget "5 of money per 30d" has room for',
        ),
        (
            {"train": {"space": {"lightgbm": {"num_leaves": {"low": 7, "high": 63}}}}},
            "train.space.lightgbm.num_leaves", "one value, as nothing is searched. Say how long",
        ),
        (
            {"train": {"space": {"lightgbm": {"n_estimators": 9, "max_depth": [3, 5]}}}},
            "train.space.lightgbm.max_depth", "one value, as nothing is searched",
        ),
        (
            {"monitor": {"drift": False}, "update": {"when": ["drift and every 7d"]}},
            "monitor.drift", '"drift" of update.when waits for',
        ),
        (
            {
                "monitor": {"performance": {"estimate": "none"}},
                "update": {"when": ["estimated performance"]},
            },
            "monitor.performance.estimate", '"estimated performance" of update.when',
        ),
        (
            {"monitor": {"quality": False}, "update": {"fallback": "drop"}},
            "monitor.quality", 'update.fallback = "drop" waits for a broken feature',
        ),
        (
            {"monitor": {"log": {"keep": "5d"}, "performance": {"labels_after": "7d"}}},
            "monitor.log.keep", 'at least "7d", when labels come',
        ),
        (
            {"deploy": {"rollout": {"guards": ["latency"]}}},
            "deploy.rollout.guards", "a direct rollout has no trial",
        ),
        (
            {"deploy": {"rollout": {"kind": "canary", "guards": ["disagreement"]}}},
            "deploy.rollout.guards", "nobody's rows are answered twice in a canary",
        ),
    ],
)  # fmt: skip
def test_what_two_sections_cannot_both_keep_is_named(
    sections: dict[str, Any], path: str, said: str
) -> None:
    with pytest.raises(InvalidInput, match=re.escape(said)) as refused:
        check_words(declared(**sections))
    assert (refused.value.path, refused.value.code) == (path, "contradiction")


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"monitor": {"drift": False}},  # what asks is as it stands unless said otherwise
        {"monitor": {"drift": False}, "update": {"when": ["performance", "every 7d"]}},
        {"monitor": {"log": {"keep": "7d"}, "performance": {"labels_after": "7d"}}},
        {"deploy": {"rollout": {"kind": "blue_green", "guards": ["disagreement"]}}},
        {"train": {"search": {"timeout": "3h"}}, "update": {"budget": ["2h of compute per 7d"]}},
        {
            "train": {
                "search": {"trials": 0},
                "space": {"ridge": {"alpha": {"low": 0.1, "high": 9}}},
            }
        },
        {"train": {"space": {"ridge": {"alpha": [0.1, 9.0]}}}, "update": {"search": "warm"}},
        {"train": {"space": {"ridge": {"alpha": 2.0, "tol": {"low": 1e-4, "high": 1e-4}}}}},
        {
            "train": {"search": {"timeout": "1h"}},
            "update": FULL | {"budget": ["2h of compute per 7d", "1 cycle per 7d"]},
        },
    ],
)
def test_what_can_be_kept_passes(sections: dict[str, Any]) -> None:
    check_words(declared(**sections))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("[train.search]\ntrials = 0\n", "searched as trials = 0 says; the algorithm's"),
        ('[update]\nsearch = "warm"\n', "nothing is searched until an update searches"),
        ("[train.search]\ntrials = 3\n", ""),
    ],
)
def test_ranges_that_nothing_searches_yet_are_noted(tmp_path: Path, more: str, said: str) -> None:
    x = np.arange(80.0)
    pl.DataFrame({"x": x, "y": np.sin(x)}).write_csv(tmp_path / "d.csv")
    (tmp_path / "everloop.toml").write_text(
        '[data]\nsource = "d.csv"\ntarget = "y"\n[train]\ncandidates = ["ridge"]\n'
        f"[train.space.ridge]\nalpha = {{ low = 0.5, high = 2.0 }}\n{more}"
    )
    noted = [note for note in check(tmp_path).notes if note.startswith("train.space.ridge.alpha")]
    assert (said in noted[0]) if said else not noted


def test_a_rollout_that_the_task_does_not_have_is_named_by_the_check(tmp_path: Path) -> None:
    """And not by the cycle, once everything has been trained."""
    x = np.arange(40.0)
    pl.DataFrame({"x": x, "y": x % 2}).write_csv(tmp_path / "d.csv")
    (tmp_path / "everloop.toml").write_text(
        '[data]\nsource = "d.csv"\ntarget = "y"\n[deploy]\nrollout = { kind = "interleave" }\n'
    )
    with pytest.raises(InvalidInput, match=r"deploy\.rollout\.kind: got 'interleave'"):
        check(tmp_path)
