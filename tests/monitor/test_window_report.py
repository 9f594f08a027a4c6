from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from everloop.cli import everloop
from everloop.errors import InvalidInput, NotFound
from everloop.loop.project import Project
from everloop.monitor.window_report import WindowReport, moment_of, window_report
from everloop.monitor.windows import Alert, Window
from everloop.settings import Settings

DAY = 86_400_000
DRIFT = {
    "test": "kolmogorov_smirnov",
    "effect": 0.4,
    "p_value": 1e-9,
    "adjusted": 1e-8,
    "summary": "median 1 → 2",
    "drifted": True,
    "far": True,
    "moved": "",
}
TOML = """
[loop]
name = "shop"
[data]
source = "data.csv"
target = "y"
"""


def window(start: int = DAY, **changed: Any) -> Window:
    checks = {
        "level": 0.001,
        "faults": {"<b>age</b>": {"check": "missing", "summary": "gone", "quarantine": True}},
        "drift": {"x": DRIFT, "z": DRIFT | {"effect": 0.01, "drifted": False}},
    }
    known = Window(
        endpoint="shop",
        start=start,
        end=start + DAY,
        rows=1234,
        labelled=10,
        checks=checks,
        performance={"state": "done", "metrics": {"accuracy": 0.91}, "parts": [1]},
        quarantined=True,
        updated=0,
    )
    return msgspec.structs.replace(known, **changed)


def alert(start: int) -> Alert:
    return Alert(
        id=f"a{start}",
        endpoint="shop",
        window=start,
        kind="drift",
        severity="warning",
        feature="x",
        summary="x drifted: median 1 → 2",
        evidence={},
        at=0,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "everloop.toml").write_text(TOML)
    with Project.open(tmp_path, Settings()) as project, project.events.transaction() as conn:
        for start in (DAY, 2 * DAY):
            project.windows.save(conn, window(start), [alert(start)])
    return tmp_path


def test_the_page_tells_what_the_window_keeps() -> None:
    page = WindowReport(window(), [alert(DAY)]).to_html()
    for told in ("1,234", "1970-01-02 00:00", "quarantined", "median 1 → 2", "0.91"):
        assert told in page
    assert "<b>age</b>" not in page
    assert "<script" not in page
    assert page.index(">x</th>") < page.index(">z</th>")


def test_a_window_with_too_few_rows_says_so() -> None:
    few = window(checks={"note": "not enough evidence: 5 rows, 100 needed"}, quarantined=False)
    page = WindowReport(few, []).to_html()
    assert "5 rows, 100 needed" in page
    assert "Drift</h2>" not in page


def test_the_newest_window_or_the_one_named(folder: Path) -> None:
    with Project.open(folder, Settings()) as project:
        newest = window_report(project.windows, "shop")
        assert newest.window.start == 2 * DAY
        assert [a.id for a in newest.alerts] == [f"a{2 * DAY}"]
        older = window_report(project.windows, "shop", DAY)
        assert [a.id for a in older.alerts] == [f"a{DAY}"]
        assert msgspec.json.decode(older.to_json(), type=WindowReport) == older
        shown = older._repr_html_()
        assert shown.startswith("<iframe sandbox srcdoc=") and "&lt;h2&gt;Drift" in shown
        with pytest.raises(NotFound):
            window_report(project.windows, "shop", 5)
        with pytest.raises(NotFound, match="no window"):
            window_report(project.windows, "other")


def test_the_verb_writes_the_page_and_prints_its_twin(folder: Path) -> None:
    page = folder / "page.html"
    common = ("--dir", str(folder))
    verb = ["monitor", "report", "--window", "1970-01-02", *common]
    done = CliRunner().invoke(everloop, [*verb, "--out", str(page)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "1970-01-02 00:00" in page.read_text()
    told = CliRunner().invoke(everloop, [*verb, "--json"], catch_exceptions=False)
    assert json.loads(told.output)["window"]["start"] == DAY


def test_when_a_window_starts_is_read_as_it_is_shown() -> None:
    assert moment_of("1970-01-02") == moment_of("1970-01-02 00:00") == DAY
    assert moment_of("1970-01-02T01:00+01:00") == DAY
    assert moment_of("1714521600000") == 1_714_521_600_000
    with pytest.raises(InvalidInput, match="yesterday"):
        moment_of("yesterday")
