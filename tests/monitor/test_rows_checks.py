"""Checks of a window's rows: what they find, and that they stay quiet on sound rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from stream_of_days import SCHEMA as DAYS
from stream_of_days import T0, Stream

from everloop.data.schema import Feature, Schema
from everloop.errors import EverloopError
from everloop.extensions import quality_checks
from everloop.monitor.profile import profile, sketch_category
from everloop.monitor.quality._base import Fault
from everloop.monitor.quality._rows import WindowRows
from everloop.monitor.quality.expectations import (
    Expectations,
    Expected,
    learn,
    read_expectations,
    to_toml,
)
from everloop.monitor.quality.rules import Rule, learn_rules
from everloop.monitor.spans import DAY
from everloop.store.database import Database

SCHEMA = Schema(
    features=(
        Feature("low", "number"),
        Feature("high", "number"),
        Feature("state", "category", ("CA", "NY", "TX")),
        Feature("coast", "category", ("east", "south", "west")),
    ),
    target="y",
    task="binary",
    classes=(False, True),
)
COAST = {"CA": "west", "NY": "east", "TX": "south"}


def table(n: int, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    low = rng.normal(size=n)
    state = rng.choice(list(COAST), n)
    gone = rng.random(n) < 0.2
    return pl.DataFrame(
        {
            "low": pl.Series(low).set(pl.Series(gone), None),
            "high": pl.Series(low + rng.exponential(size=n)).set(pl.Series(gone), None),
            "state": state,
            "coast": [COAST[s] for s in state],
        }
    )


REFERENCE = table(4_000, 0)
LEARNED = learn(profile(REFERENCE, SCHEMA), REFERENCE)


def look(rows: pl.DataFrame, expected: Expectations = LEARNED, **more: Any) -> dict[str, Fault]:
    ids = more.pop("ids", [str(i) for i in range(rows.height)])
    window = WindowRows(
        ids=pl.Series(ids), features=rows, schema=SCHEMA, expected=expected, start=0, end=DAY,
        before=more.pop("before", []), misfits=lambda: more.get("misfits", {}),
        strays=lambda: more.get("strays", {}), repeated=more.get("repeated", ()),
    )  # fmt: skip
    found: dict[str, Fault] = {}
    for _, kind in quality_checks:
        if hasattr(kind, "look"):
            found |= kind().look(window)
    return found


def test_rules_are_those_that_chance_would_break() -> None:
    assert {rule.sentence() for rule in LEARNED.rules} == {
        "low <= high",
        "high is missing where low is",
        *(f"state = '{s}' comes with coast = '{c}'" for s, c in COAST.items()),
        *(f"coast = '{c}' comes with state = '{s}'" for s, c in COAST.items()),
    }
    rng = np.random.default_rng(1)
    noise = pl.DataFrame({f"x{i}": rng.normal(size=3_000) for i in range(10)})
    assert learn_rules(noise) == () and learn_rules(REFERENCE[:100]) == ()


def test_sound_windows_raise_nothing() -> None:
    before = [(-i * DAY, 280 + i) for i in range(1, 20)]
    for seed in range(1, 60):
        assert look(table(300, seed), before=before) == {}


def test_each_fault_is_named() -> None:
    rows = table(400, 9)
    swapped = rows.with_columns(low="high", high="low")
    assert "low <= high no longer holds" in look(swapped)["(low, high)"].summary
    moved = rows.with_columns(coast=pl.lit("east"))
    assert any(fault.check == "pairs" for fault in look(moved).values())
    again = pl.concat([rows[:100]] * 4)
    assert look(again)["(rows)"].check == "duplicates"
    assert look(rows, ids=["1"] * 400)["(ids)"].evidence["repeated"] == 399
    usual = [0.01, 0.0, 0.02]
    some = [str(i) for i in range(310)] + ["0"] * 90
    assert "(ids)" not in look(rows, ids=some) and "(ids)" not in look(
        rows, ids=some, repeated=[0.2] * 3
    )
    assert look(rows, ids=some, repeated=usual)["(ids)"].evidence["expected"] == pytest.approx(0.09)
    odd = look(rows, misfits={"low": (300, ["n/a"])})["low"]
    assert odd.quarantine and "no finite number in 75.0% of the rows: 'n/a'" in odd.summary
    unseen = look(rows, strays={"age": 400, "typo": 2})["(columns)"]
    assert unseen.evidence["columns"] == {"age": 1.0} and "'age' in 100%" in unseen.summary


def test_the_number_of_rows() -> None:
    steady = [(-i * DAY, 300 + i % 7) for i in range(1, 30)]
    assert "9 rows, 300 are usual" in look(table(9, 1), before=steady)["(volume)"].summary
    assert "(volume)" in look(table(3_000, 1), Expectations(), before=steady)
    assert look(table(9, 1), before=steady[:5]) == {}  # too few to tell
    wild = [(-i * DAY, 10 if i % 2 else 1_000) for i in range(1, 30)]
    assert look(table(9, 1), before=wild) == {}
    quiet_sundays = [(-i * DAY, 20 if i % 7 == 0 else 900) for i in range(1, 60)]
    assert look(table(20, 1), before=quiet_sundays) == {}
    said = look(table(20, 1), Expectations(rows=(100, 200)))["(volume)"]
    assert said.summary == "the window has 20 rows, 100 to 200 are expected"


def test_a_file_is_obeyed_and_comes_back_as_written(tmp_path: Path) -> None:
    path = tmp_path / "expectations.toml"
    path.write_text(to_toml(LEARNED))
    assert read_expectations(path, tuple(SCHEMA.names)) == LEARNED
    features = {
        "low": Expected(range=(5.0, 6.0)),
        "high": Expected(missing=0.1),
        "state": Expected(levels=("CA",)),
    }
    found = look(table(300, 3), Expectations(features=features))
    assert {n: f.check for n, f in found.items()} == dict.fromkeys(features, "expected")
    assert "from 5 to 6" in found["low"].summary and "10.0% at most" in found["high"].summary


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rows = [", "is no TOML"),
        ("row = [1, 2]", "unknown field"),
        ("rows = [5, 2]", "rows: got"),
        ('silence = "long"', "silence: got"),
        ("[features.lo]\nmissing = 0.1", 'Did you mean "low"'),
        ("[features.low]\nmissing = 2", "a share from 0 to 1"),
        ("[features.low]\nrange = [2, 1]", "the smaller bound first"),
        ('[[rules]]\nkind = "above"\na = "low"\nb = "high"', "kind"),
    ],
)
def test_a_bad_file_is_one_sentence(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "expectations.toml"
    path.write_text(text)
    with pytest.raises(EverloopError) as error:
        read_expectations(path, tuple(SCHEMA.names))
    assert said in error.value.message and "\n" not in error.value.message.strip()
    assert error.value.message.startswith("expectations.toml")


def test_a_category_of_one_level() -> None:
    check = quality_checks.get("constant")()
    levels = ("CA", "NY", "TX")
    usual = sketch_category(REFERENCE["state"], levels)
    one = sketch_category(pl.Series(["CA"] * 100), levels)
    assert "in every row" in check.check("state", usual, one, lambda: None).summary
    assert check.check("state", usual, sketch_category(pl.Series(["CA"] * 5), levels), None) is None
    assert check.check("state", one, one, lambda: None) is None


def test_the_watch_tells_them_once(database: Database, tmp_path: Path) -> None:
    stream = Stream(database, tmp_path)
    for day in range(12):
        stream.day(day, n=300)
    assert stream.tick() == []
    stream.day(12, n=20)  # far too few, and too few for anything else
    stream.day(13, n=20)
    stream.day(14, n=20)
    (alert,) = stream.tick()
    assert (alert.feature, alert.window, alert.severity) == ("(volume)", T0 + 12 * DAY, "warning")
    window = stream.windows.get("e", T0 + 13 * DAY)
    assert "note" in window.checks and window.checks["faults"]["(volume)"]["check"] == "volume"
    rule = Rule("at_most", "x0", "x1")
    for day in range(15, 17):
        stream.day(day, n=300)
    alerts = stream.tick(expected=Expectations(rules=(rule,)))
    assert DAYS.names and [a.feature for a in alerts] == ["(x0, x1)"]
