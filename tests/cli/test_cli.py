"""The command line as a caller sees it: help, JSON, refusals, exit codes, the next command."""

from __future__ import annotations

import errno
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest

import everloop as el
from everloop.cli import VERBS, everloop, main
from everloop.cli._cycles import describe
from everloop.cli._output import table
from everloop.loop.classic import declare_classic
from everloop.loop.project import Project
from everloop.settings import Settings


def _leaves() -> list[list[str]]:
    """Every command that does something: verbs, and what is below those that only hold others."""
    found: list[list[str]] = []
    for verb in VERBS:
        command = everloop.get_command(None, verb)  # type: ignore[arg-type]
        below = getattr(command, "commands", None)
        found += [[verb, name] for name in below] if below else [[verb]]
    return found


LEAVES = _leaves()


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    """Call ``everloop`` with arguments, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    # The console of the module holds the stream of the time it was made.
    monkeypatch.setattr("everloop.cli._output.console._file", None)

    def call(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["everloop", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
            sys.exit(0)
        captured = capsys.readouterr()
        code = end.value.code
        return Said(code if isinstance(code, int) else 0, captured.out, captured.err)

    return call


def write_data(folder: Path, name: str = "data.csv") -> None:
    seed = np.random.default_rng(0)
    x = seed.normal(size=60)
    frame = pl.DataFrame(
        {
            "day": pl.datetime_range(
                pl.datetime(2024, 1, 1), pl.datetime(2024, 2, 29), "1d", eager=True
            ),
            "x": x,
            "colour": ["red", "blue", "green"] * 20,
            "sold": 3 * x + seed.normal(size=60),
        }
    )
    frame.write_csv(folder / name)


def past(folder: Path, count: int) -> None:
    """A project with so many cycles, the last of them for a drift."""
    (folder / "everloop.toml").write_text(
        '[loop]\nname = "sales"\n[data]\nsource = "data.csv"\ntarget = "sold"\n'
    )
    with Project.open(folder, Settings()) as project:
        project.sync_file()
        for number in range(1, count + 1):
            cause = {"kind": "drift", "features": ["x"], "reason": "x drifted a lot"}
            cycle = project.cycles.create("sales", cause=cause, plan=["probe"], actor="t")
            project.cycles.begin_step(cycle.id, "probe", 0)
            project.cycles.finish_step(cycle.id, "probe", {"why": f"because {number}"})
            reason = "Not worth it: no gain. Seen: x drifted a lot."
            project.cycles.finish(cycle.id, verdict="not_worth_it", reason=reason)


@pytest.mark.parametrize("leaf", LEAVES, ids=" ".join)
def test_every_verb_has_help_and_json(leaf: list[str], say: Any) -> None:
    shown = say(*leaf, "--help")
    assert shown.code == 0
    assert "--json" in shown.out
    assert all(len(line) <= 80 for line in shown.out.splitlines())


def test_the_help_lists_every_verb(say: Any) -> None:
    shown = say("--help")
    assert all(f"  {verb} " in shown.out for verb in VERBS)
    assert sorted(everloop.list_commands(None)) == sorted(VERBS)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["histroy"], "usage"),
        (["deploy", "one"], "usage"),
        (["history", "--limit", "0"], "usage"),
        (["monitor", "--windows", "100000"], "usage"),
        (["status", "--dir", "nowhere"], "usage"),
        (["status", "--colour"], "usage"),
        (["check"], "not_found"),
        (["run"], "not_found"),
        (["train", "nosuch.csv"], "missing_file"),
        (["serve", "nosuch"], "model_not_found"),
        (["serve", "--host", "0.0.0.0"], "token_required"),
        (["serve", "--port", "70000"], "invalid_value"),
        (["audit", "verify", "--anchor", "x"], "invalid_value"),
        (["approve", "1"], "not_found"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_a_refusal_is_one_document_and_exit_code_2(
    arguments: list[str], code: str, say: Any, tmp_path: Path
) -> None:
    refused = say(*arguments, "--json")
    assert refused.code == 2
    assert refused.json["error"]["code"] == code
    assert refused.json["error"]["message"]
    spoken = say(*arguments)
    assert (spoken.code, spoken.out) == (2, "")
    assert "rror: " in spoken.err and "Traceback" not in spoken.err


def test_a_verb_that_is_nearly_right_is_suggested(say: Any) -> None:
    assert 'Did you mean "monitor"?' in say("monitr").err
    assert "Did you mean" not in say("xyzzy").err


def test_a_bug_is_json_too_and_keeps_its_traceback(
    say: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(folder: Path) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("everloop.cli.check.check", broken)
    monkeypatch.setattr(sys, "argv", ["everloop", "check", "--json"])
    with pytest.raises(RuntimeError, match="a bug"):
        main()
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "internal_error"


def test_a_folder_that_is_not_there_is_not_made_by_looking(say: Any, tmp_path: Path) -> None:
    for verb in (["status"], ["history"], ["audit", "verify"], ["run"]):
        assert say(*verb, "--dir", "typo").code == 2
    assert list(tmp_path.iterdir()) == []


def test_init_says_its_guess_aloud_and_comments_the_rest(say: Any, tmp_path: Path) -> None:
    write_data(tmp_path)
    made = say("init")
    assert made.code == 0
    assert 'target "sold"' in made.out and "--target" in made.out
    assert made.out.rstrip().splitlines()[-1].startswith("next: everloop check")
    text = (tmp_path / "everloop.toml").read_text()
    for option in ("search", "approval", "ignore"):
        assert f"# {option} = " in text
    again = say("init", "--json")
    assert (again.code, again.json["error"]["code"]) == (2, "exists")
    assert say("init", "--force", "--target", "colour", "--json").json["target"] == "colour"


def test_init_of_a_new_folder_keeps_to_it(say: Any, tmp_path: Path) -> None:
    write_data(tmp_path)
    made = say("init", str(tmp_path / "data.csv"), "--dir", "a b")
    assert made.code == 0
    assert "everloop check --dir 'a b'" in made.out


@pytest.mark.parametrize(
    ("old", "new", "fix"),
    [
        ('target = "sold"', 'target = "solld"', "sold"),
        ('metric = "rmse"', 'metric = "rmsee"', "rmse"),
        ("[train]", "[trian]", "train"),
        ('"linear_regression"', '"linear_regresion"', "linear_regression"),
    ],
)
def test_check_refuses_with_the_nearest_name(
    old: str, new: str, fix: str, say: Any, tmp_path: Path
) -> None:
    write_data(tmp_path)
    say("init", "--target", "sold")
    file = tmp_path / "everloop.toml"
    assert old in file.read_text()
    good = say("check", "--json")
    assert (good.code, good.json["target"]) == (0, "sold")
    file.write_text(file.read_text().replace(old, new))
    refused = say("check", "--json")
    assert refused.code == 2
    assert f'"{fix}"' in (refused.json["error"].get("fix") or "")


def test_history_pages(say: Any, tmp_path: Path) -> None:
    past(tmp_path, 5)
    first = say("history", "--limit", "2", "--json").json
    assert [c["number"] for c in first] == [5, 4]
    rest = say("history", "--limit", "9", "--before", "4", "--json").json
    assert [c["number"] for c in rest] == [3, 2, 1]
    assert say("history", "--before", "1", "--json").json == []
    spoken = say("history", "--limit", "2").out
    assert "drift: x" in spoken and "      no gain." in spoken.lower()
    assert spoken.rstrip().splitlines()[-1].startswith("next: everloop history --before 4")
    one = say("history", "3")
    assert "because 3" in one.out and one.code == 0
    assert say("history", "9", "--json").json["error"]["code"] == "not_found"


def test_status_and_monitor_of_a_quiet_loop_name_the_next_command(say: Any, tmp_path: Path) -> None:
    assert "next: everloop init" in say("status").out
    past(tmp_path, 1)
    assert say("status", "--json").json["loops"][0]["loop"] == "sales"
    assert say("status").out.rstrip().splitlines()[-1].startswith("next: everloop up")


def test_audit_prints_an_anchor_that_finds_a_log_put_back(say: Any, tmp_path: Path) -> None:
    past(tmp_path, 1)
    anchor = say("audit", "verify", "--json").json["anchor"]
    spoken = say("audit", "verify", "--anchor", anchor)
    assert spoken.code == 0 and f"anchor {anchor}" in spoken.out
    later = f"{int(anchor.partition(':')[0]) + 1}:{anchor.partition(':')[2]}"
    lost = say("audit", "verify", "--anchor", later)
    assert lost.code == 1 and "Broken at event" in lost.out
    assert say("audit", "verify", "--anchor", later, "--json").json["ok"] is False


def test_tables_in_a_pipe_are_a_row_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    table(("gate", "evidence"), [("a", "word " * 60), ("b", "")])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and all(line == line.rstrip() for line in lines)


def test_python_has_the_first_verbs_too(tmp_path: Path) -> None:
    write_data(tmp_path)
    made = el.init(tmp_path, "data.csv", target="sold")
    assert made.target == "sold"
    assert el.check(tmp_path).loop == "data"
    with pytest.raises(el.EverloopError, match="no such file"):
        el.check(tmp_path / "nowhere")


def test_a_folder_that_cannot_be_written_is_one_sentence(
    say: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(tmp_path / ".everloop"))

    write_data(tmp_path)
    monkeypatch.setattr(Path, "mkdir", refused)
    done = say("train", "data.csv")
    assert done.code == 2 and "Traceback" not in done.err
    assert f"{tmp_path / '.everloop'}: Read-only file system." in done.err


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ({"gru": None}, "gru, the only candidate, was fitted"),
        (
            {"gru": None, "baseline": 0.5},
            "gru, the only candidate, was fitted (accuracy of the baseline: 0.5000)",
        ),
        ({"gru": 0.9, "baseline": 0.5}, "gru is best by accuracy (gru 0.9000, baseline 0.5000)"),
        ({}, "version 3, gru, is proposed again"),
        (
            {"ensemble": 0.8, "gru": 0.9},
            "ensemble is chosen, it loses least (accuracy: ensemble 0.8000, gru 0.9000)",
        ),
    ],
)
def test_what_training_chose_is_said_as_it_was(scores: dict[str, Any], said: str) -> None:
    candidates = [{"algorithm": name, "score": score} for name, score in scores.items()]
    chosen = next(iter(scores), "gru")
    result = {"algorithm": chosen, "metric": "accuracy", "candidates": candidates, "version": 3}
    assert describe("train", result)[0] == said


@pytest.mark.parametrize(
    ("rows", "values", "search", "kind"),
    [
        (3_000, 3_000, {"timeout": "1m"}, "stratified"),
        (3_000, 3_000, {"timeout": "1m"}, "k_fold"),  # one class has three rows
        (3_000, 10, {"timeout": "1m"}, "auto"),  # few different rows cannot fill five parts
        (3_000, 3_000, {"trials": 5}, "auto"),
        (1_500, 1_500, {"timeout": "1m"}, "auto"),  # five parts as it is
        (13_000, 13_000, {"timeout": "1m"}, "auto"),
    ],
)
def test_a_budget_is_spent_on_parts_that_take_turns(
    tmp_path: Path, rows: int, values: int, search: dict[str, Any], kind: str
) -> None:
    x = np.arange(rows) % values
    data = tmp_path / "data.parquet"
    y = np.where(x % 2, "no", "yes").tolist()
    if kind == "k_fold":
        y[:3] = ["rare"] * 3
    pl.DataFrame({"x": x * 0.5, "y": y}).write_parquet(data)
    with Project.open(tmp_path) as project:
        declared = declare_classic(project, data, name="m", search=search)
    assert declared.train.validation.kind == kind
    assert (declared.train.refit, declared.train.search.workers) == (
        ("all", 0) if "timeout" in search else ("train", 1)
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "other/everloop.toml"), "Another folder than this is named by --dir"),
        (("run", "--dir", "data.csv"), "Name the folder in which everloop.toml lies."),
        (("--dir", "other", "run"), "Options stand after the verb: everloop VERB --dir …"),
        (("run",), "--dir FOLDER names one elsewhere"),
        (("check",), "--dir FOLDER names one elsewhere"),
    ],
)
def test_who_names_the_folder_in_another_way_is_told_how(
    say: Any, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    (tmp_path / "data.csv").touch()
    done = say(*words)
    assert done.code == 2 and said in done.err
