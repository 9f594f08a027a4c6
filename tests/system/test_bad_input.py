"""Bad input, all of it: one sentence with field, got and expected; nothing half-written."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from processes import everloop, serving
from sklearn.datasets import load_diabetes

from everloop.cli import main
from everloop.loop.project import Project

ROWS = "".join(f"{i},{i * 2 % 7},{i * 3 % 11}\n" for i in range(40))
GOOD = "a,b,y\n" + ROWS


def text(content: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(content, encoding="utf-8") and None


def raw(content: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content) and None


FILES: dict[str, tuple[str, Callable[[Path], None] | None, tuple[str, ...], str]] = {
    # name: (file, how it is written, further arguments, what the sentence must hold)
    "a missing file": ("no.csv", None, (), "no.csv"),
    "an empty file": ("d.csv", text(""), (), "empty"),
    "a header only": ("d.csv", text("a,b,y\n"), (), "rows"),
    "a missing target": ("d.csv", text(GOOD), ("--target", "yy"), "yy"),
    "a target of one value": (
        "d.csv",
        text("a,y\n" + "".join(f"{i},1\n" for i in range(40))),
        (),
        "y",
    ),
    "features of one value": (
        "d.csv",
        text("a,y\n" + "".join(f"5,{i % 7}.5\n" for i in range(40))),
        (),
        "feature",
    ),
    "text where numbers were": ("d.csv", text(GOOD.replace("\n7,", "\nseven,", 1)), (), "seven"),
    "two rows": ("d.csv", text("a,b,y\n1,2,3\n4,5,6\n"), (), "2 rows"),
    "NaN in the target": ("d.csv", text(GOOD + "1,2,\n"), (), "y"),
    "a duplicate column": ("d.csv", text("a,a,y\n" + ROWS), (), "a"),
    "a wrong encoding": ("d.csv", raw("größe,y\n".encode("latin-1") + b"1,2\n" * 40), (), "UTF-8"),
    "a parquet of 0 bytes": ("d.parquet", raw(b""), (), "empty"),
    "a parquet that is none": ("d.parquet", raw(b"hello" * 100), (), "d.parquet"),
    "a ragged row": ("d.csv", text(GOOD + "1,2,3,4\n"), (), "4"),
    "an unknown candidate": (
        "d.csv",
        text(GOOD),
        ("--candidate", "linear_regresion"),
        "linear_regression",
    ),
    "an unknown metric": ("d.csv", text(GOOD), ("--metric", "rmsee"), "rmse"),
    "more train rows than rows": ("d.csv", text(GOOD), ("--rows", "400"), "400"),
    "a share that is none": ("d.csv", text(GOOD), ("--holdout", "1.5"), "1.5"),
}


@pytest.mark.parametrize("name", FILES)
def test_train_refuses_in_one_sentence(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, write, more, expected = FILES[name]
    if write is not None:
        write(tmp_path / file)
    said = refused(["train", file, *more], tmp_path, monkeypatch, capsys)
    assert expected in said and "Traceback" not in said
    nothing_was_made(tmp_path)


def refused(
    arguments: list[str],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> str:
    """What ``everloop …`` says in a folder, without a process of its own: that takes a second."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["everloop", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    said = capsys.readouterr()
    assert end.value.code == 2, said
    return said.out + said.err


def nothing_was_made(folder: Path) -> None:
    with Project.open(folder) as project:
        assert project.registry.search_models().items == []
        assert project.endpoints.all() == []
        assert list((folder / ".everloop").glob("packages/*")) == []


LOOP = '[data]\nsource = "d.csv"\ntarget = "y"\n'
LOOP_FILES = {
    "an unknown section": (LOOP + "[evaluat]\n", "evaluate"),
    "an unknown key": (LOOP + "tagret = 1\n", "target"),
    "a value of another type": (LOOP + '[loop]\nname = "a"\nseed = "one"\n', "whole number"),
    "no data": ('[loop]\nname = "a"\n', "[data]"),
    "no toml": ("[data\n", "TOML"),
    "a gate that is none": (LOOP + '[evaluate]\ngates = ["rmsee <= 3"]\n', "rmse"),
    "a candidate that is none": (LOOP + '[train]\ncandidates = ["lightgmb"]\n', "lightgbm"),
    "a trigger that is none": (LOOP + '[update]\nwhen = ["drifft"]\n', "drift"),
    "a duration that is none": (LOOP + '[monitor]\nwindow = "a week"\n', "7d"),
    "steps that fall": (LOOP + "[deploy]\nrollout = { steps = [0.5, 0.1, 1.0] }\n", "rising"),
}


@pytest.mark.parametrize("name", LOOP_FILES)
@pytest.mark.parametrize("verb", ["check", "run"])
def test_a_loop_file_is_refused_in_one_sentence(
    name: str,
    verb: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    content, expected = LOOP_FILES[name]
    (tmp_path / "everloop.toml").write_text(content)
    (tmp_path / "d.csv").write_text(GOOD)
    said = refused([verb], tmp_path, monkeypatch, capsys)
    assert expected in said and "Traceback" not in said


@pytest.mark.parametrize("verb", ["check", "run"])
def test_a_missing_data_file_is_refused_in_one_sentence(verb: str, tmp_path: Path) -> None:
    (tmp_path / "everloop.toml").write_text(LOOP)
    done = everloop(tmp_path, verb, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 2, said
    assert "d.csv" in said and "Traceback" not in said


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("served")
    load_diabetes(as_frame=True, scaled=False).frame.to_csv(folder / "d.csv", index=False)
    everloop(folder, "train", "d.csv")
    with serving(folder) as client:
        yield client


ROW = load_diabetes(as_frame=True, scaled=False).data.iloc[0].to_dict()
BODIES = {
    "a missing column": ([{k: v for k, v in ROW.items() if k != "bmi"}], "bmi"),
    "an extra column": ([{**ROW, "shoe": 1}], "shoe"),
    "a mistyped column": ([{**ROW, "bmi": "high"}], "bmi"),
    "a nested value": ([{**ROW, "bmi": [1]}], "bmi"),
    "no rows": ([], "row"),
    "a number": (7, "record"),
    "columns of two lengths": (
        {k: [v] * (2 if k == "bmi" else 1) for k, v in ROW.items()},
        "2 values",
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_request_is_refused_with_its_path(name: str, served: httpx.Client) -> None:
    body, expected = BODIES[name]
    answer = served.post("/predict", json=body)
    assert 400 <= answer.status_code < 500, answer.text
    error = answer.json()["error"]
    assert error["code"] and error["message"]
    assert expected in json.dumps(error)
    assert served.post("/predict", json=[ROW]).status_code == 200


def test_a_body_of_100_megabytes_is_refused(served: httpx.Client) -> None:
    answer = served.post("/predict", content=b"[" + b" " * 100_000_000 + b"]")
    assert answer.status_code == 413
    assert served.post("/predict", json=[ROW]).status_code == 200


@pytest.mark.parametrize("content", [b"{", b"[{]", b"\xff\xfe", b"NaN", b'[{"bmi": NaN}]'])
def test_json_that_is_none_is_refused(content: bytes, served: httpx.Client) -> None:
    answer = served.post("/predict", content=content)
    assert answer.status_code in (400, 422)
    assert answer.json()["error"]["message"]


def test_a_truncated_body_harms_nobody(served: httpx.Client) -> None:
    with socket.create_connection((served.base_url.host, served.base_url.port or 80)) as half:
        half.sendall(b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: 500\r\n\r\n[{")
    assert served.post("/predict", json=[ROW]).status_code == 200
