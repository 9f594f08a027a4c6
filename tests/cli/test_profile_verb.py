"""``everloop profile`` and ``everloop compare``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from everloop.cli import everloop
from everloop.errors import InvalidInput


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name, shift in (("a", 0.0), ("b", 1.0)):
        x = rng.normal(size=2_000) + shift
        pl.DataFrame({"x": x, "c": rng.choice(["u", "v"], 2_000)}).write_csv(f"{name}.csv")
    return tmp_path


def ran(*arguments: str) -> str:
    result = CliRunner().invoke(everloop, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def ran_json(*arguments: str) -> Any:
    return json.loads(ran(*arguments, "--json"))


def test_a_file_is_profiled_kept_and_compared_without_its_rows(folder: Path) -> None:
    shown = ran("profile", "a.csv", "--save", "a.json")
    assert "2,000 rows" in shown
    assert "█" in shown
    (folder / "a.csv").unlink()
    assert ran_json("profile", "b.csv", "--against", "a.json")["verdict"] == "drift"
    merged = ran_json("profile", "a.json", "b.csv")
    assert merged["rows"] == 4_000
    assert merged["columns"]["c"]["sketch"]["levels"] in (["u", "v"], ["v", "u"])


def test_two_files_are_compared_and_drawn(folder: Path) -> None:
    shown = ran("compare", "a.csv", "b.csv", "--html", "page.html")
    assert "drift: 1 of 2 columns drifted: x" in shown
    assert (folder / "page.html").read_text().startswith("<!doctype html>")
    assert ran_json("compare", "a.csv", "b.csv", "--ignore", "x")["verdict"] == "no drift"


def test_what_is_not_there_is_said(folder: Path) -> None:
    with pytest.raises(InvalidInput, match=r"c\.csv"):
        ran("compare", "a.csv", "c.csv")
    with pytest.raises(InvalidInput, match=r"c\.json"):
        ran("profile", "c.json")
